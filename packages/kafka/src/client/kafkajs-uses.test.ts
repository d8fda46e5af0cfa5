import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const root = new URL('../', import.meta.url)
const textOf = (file: string) => readFileSync(new URL(file, root), 'utf8')
const sources = new Map(
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((file) => /^(?!testing|simulation).*(?<!\.test)\.ts$/.test(file))
    .map((file) => [file, textOf(file)]),
)
const spans = (cell = '') => [...cell.matchAll(/`([^`]+)`/g)].map(([, span]) => span!)
const [, section = ''] =
  /## What of kafkajs is used\n(.*?)\n## /s.exec(textOf('../../../ARCHITECTURE.md')) ?? []
/** By used part of kafkajs, the files that use it according to the document. */
const rows = section
  .split('\n')
  .filter((line) => line.startsWith('| ') && line.includes('`'))
  .map((line) => line.split('|'))
  .map(([, part, , files]) => ({ parts: spans(part), files: spans(files) }))

const filesWith = (text: string) =>
  [...sources].filter(([, code]) => code.includes(text)).map(([file]) => file)
const filesOfRowsWith = (part: string) =>
  rows.filter(({ parts }) => parts.includes(part)).flatMap(({ files }) => files)

it('names the modules of kafkajs that the code loads, and no others', () => {
  const loaded = [...sources.values()].flatMap((code) =>
    [...code.matchAll(/require\('(kafkajs\/[^']+)'\)/g)].map(([, name]) => name!),
  )
  const named = rows.flatMap(({ parts }) => parts.filter((part) => part.startsWith('kafkajs/')))
  expect(named.toSorted()).toEqual(loaded.toSorted())
})

it.each(['producer', 'admin'])('names every file that opens a kafka.%s()', (client) => {
  expect(filesOfRowsWith(`kafka.${client}()`).toSorted()).toEqual(filesWith(`afka.${client}(`).toSorted())
})

it('lists only parts that the files have', () => {
  expect(rows.length).toBeGreaterThan(8)
  for (const { parts, files } of rows) {
    for (const part of parts) {
      const word = part.replace(/\(\)$/, '').split('.').at(-1)!
      expect([part, files.some((file) => sources.get(file)?.includes(word))]).toEqual([part, true])
    }
  }
})

it('finds no kafkajs consumer in the code', () => {
  expect(filesWith('.consumer(')).toEqual([])
  expect(section).toContain('`kafka.consumer()`')
})
