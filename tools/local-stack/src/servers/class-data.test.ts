import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { classData } from './class-data.ts'
import { folders } from '../folders.ts'

let home = ''
let java = ''
let jar = ''
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'weir-class-data-'))
  java = join(home, 'java')
  jar = join(home, 'server.jar')
  for (const file of [java, jar]) writeFileSync(file, file, { mode: 0o755 })
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

const open = () => classData(folders(home), 'server', java, [jar])
const archives = () => readdirSync(join(home, 'downloads/class-data'))
/** What the JVM does when it ends. */
const record = (option: string): void =>
  writeFileSync(option.replace('-XX:ArchiveClassesAtExit=', ''), 'classes')

it('records an archive in the first run and uses it in later ones', () => {
  const first = open()
  expect(first.options).toEqual([expect.stringMatching(/^-XX:ArchiveClassesAtExit=.*server-\w+\.jsa\.\d+$/)])
  record(first.options[0]!)
  first.ended({ code: 143, signal: null })
  const second = open()
  expect(second.options).toEqual([expect.stringMatching(/^-XX:SharedArchiveFile=.*server-\w+\.jsa$/)])
  expect(second.stopMsMax).toBeLessThan(first.stopMsMax)
  expect(archives()).toHaveLength(1)
})

it('throws away what a killed run has written, and what one that is gone has left', () => {
  const killed = open()
  record(killed.options[0]!)
  killed.ended({ code: null, signal: 'SIGKILL' })
  expect(archives()).toEqual([])
  mkdirSync(join(home, 'downloads/class-data'), { recursive: true })
  record(`${killed.options[0]!.replace(/\d+$/, '')}${2 ** 22}`)
  expect(open().options[0]).toContain('ArchiveClassesAtExit')
  expect(archives()).toEqual([])
})

it('records anew for another file or another Java', () => {
  const first = open()
  record(first.options[0]!)
  first.ended({ code: 143, signal: null })
  utimesSync(jar, 1, 1)
  expect(open().options[0]).toContain('ArchiveClassesAtExit')
})
