import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { readFixUp } from './read-fix-up.ts'

const dir = mkdtempSync(join(tmpdir(), 'weir-fix-up-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))
const read = (text: string) => {
  const file = join(dir, 'fix-up')
  writeFileSync(file, text)
  return JSON.stringify(readFixUp(file))
}

it('keeps the digits of numbers, in YAML and in JSON', () => {
  const json = '{"name":"n","set":{"id":1524831183200260097,"amount":10.00,"list":[{"x":1}],"text":"10.00"}}'
  expect(read(json)).toBe(json)
  expect(read('name: n\nset:\n  id: 1524831183200260097\n  amount: 10.00\n  hex: 0x1F\n')).toBe(
    '{"name":"n","set":{"id":1524831183200260097,"amount":10.00,"hex":31}}',
  )
})

it('reports what is wrong with the file', () => {
  expect(() => read('set: [')).toThrow(/fix-up: /)
})
