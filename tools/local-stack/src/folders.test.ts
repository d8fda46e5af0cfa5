import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ensureFolder, folders } from './folders.ts'

let home = ''
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'weir-folders-'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

it('fills a folder once, however many ask for it at the same time', async () => {
  const folder = join(home, 'downloads', 'thing')
  let fills = 0
  const fill = (temporary: string): Promise<void> => {
    fills += 1
    writeFileSync(join(temporary, 'file'), '')
    return Promise.resolve()
  }
  await Promise.all([ensureFolder(folder, fill), ensureFolder(folder, fill), ensureFolder(folder, fill)])
  expect([fills, readdirSync(folder)]).toEqual([1, ['file']])
})

it('leaves no half-filled folder, and begins again', async () => {
  const folder = join(home, 'downloads', 'thing')
  const failing = (temporary: string): Promise<void> => {
    writeFileSync(join(temporary, 'half'), '')
    return Promise.reject(new Error('planted'))
  }
  await expect(ensureFolder(folder, failing)).rejects.toThrow('planted')
  expect(existsSync(folder)).toBe(false)
  await ensureFolder(folder, () => Promise.resolve())
  expect(readdirSync(folder)).toEqual([])
})

it('keeps the state of a subfolder apart, and downloads together', () => {
  const [all, one] = [folders(home), folders(home, 'one')]
  expect(one.downloads).toBe(all.downloads)
  expect(one.state).toBe(join(home, 'one', 'state'))
})
