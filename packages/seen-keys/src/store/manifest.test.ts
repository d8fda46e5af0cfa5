import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { expect, it, onTestFinished } from 'vitest'
import { openStore } from '../testing/transactions.ts'

const rewrite = (file: string, format: number): string => {
  const [, body] = readFileSync(file, 'utf8').split('\n')
  const changed = JSON.stringify({ ...(JSON.parse(body!) as object), format })
  const text = `${crc32(changed).toString(16).padStart(8, '0')}\n${changed}`
  writeFileSync(file, text)
  return text
}

it('keeps a store of a newer format and reports it, and discards a store of an older format', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-format-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const { store } = await openStore(folder)
  await store.close()
  const file = join(folder, 'manifest')

  const newer = rewrite(file, 99)
  const names = readdirSync(folder)
  await expect(openStore(folder)).rejects.toThrow(/by a newer version of Weir \(format 99/)
  expect(readFileSync(file, 'utf8')).toBe(newer)
  expect(readdirSync(folder)).toEqual(names)

  rewrite(file, 0)
  const opened = await openStore(folder)
  await opened.store.close()
  expect(opened.discarded).toMatch(/^its format is 0, not \d+$/)
})
