import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'weir-mapping-'))
afterAll(() => rmSync(folder, { recursive: true }))

const write = (name: string, content: string): string => {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}

const weir = (...args: string[]): Promise<{ readonly code: number; readonly text: string }> =>
  new Promise((resolve) => {
    const main = join(import.meta.dirname, 'main.ts')
    execFile(process.execPath, [main, ...args], { env: {} }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), text: stdout + stderr }),
    )
  })

const mappings = (expected: string) => `
mappings:
  - { name: fax, source: cxone, when: { path: $.data.channelType, oneOf: [fax] }, fields: { channel: $.data.channelType } }
tests:
  - { name: a fax, source: cxone, input: { data: { channelType: fax } }, expected: { channel: ${expected} } }
`

it('checks own mappings by the tests that they hold', async () => {
  expect(await weir('mapping', 'check', write('good.yaml', mappings('fax')))).toEqual({
    ...{ code: 0, text: '1 passed, 0 failed\n' },
  })
  const bad = await weir('mapping', 'check', write('bad.yaml', mappings('telex')))
  expect(bad.code).toBe(1)
  expect(bad.text).toContain('a fax:\n  channel: expected "telex", got "fax"')
  const broken = await weir('mapping', 'check', write('broken.yaml', 'mappings: [{ name: x }]'))
  expect(broken.code).toBe(2)
  expect(broken.text).toContain('broken.yaml')
}, 60_000)

it('shows what a payload becomes and which path gave each field', async () => {
  const data = { id: 'i', channelType: 'voice', participants: [{ phoneNumber: '+1666' }] }
  const file = write('payload.json', JSON.stringify({ eventType: 'e', timestamp: 'T', data }))
  const { code, text } = await weir('mapping', 'test', '--source', 'cxone', file)
  expect(code).toBe(0)
  expect(text).toMatch(/customerIdentifier +\$\.data\.participants\[0\]\.phoneNumber/)
  expect(text).toMatch(/queue +\(missing\)/)
  expect(text).toContain('"customerIdentifier": "+1666"')
  const none = await weir('mapping', 'test', '--source', 'cxone', write('cut.json', '{"cut'))
  expect(none).toMatchObject({ code: 1, text: expect.stringContaining('dead letter invalid_json') as string })
}, 60_000)
