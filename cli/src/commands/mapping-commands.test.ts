import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it, vi } from 'vitest'
import { runProgram } from '../program.ts'

const folder = mkdtempSync(join(tmpdir(), 'weir-mapping-'))
afterAll(() => rmSync(folder, { recursive: true }))

const write = (name: string, content: string): string => {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}

/** The command's exit code and what it writes. */
const weir = async (...args: string[]): Promise<{ readonly code: number; readonly text: string }> => {
  let text = ''
  const keep = (chunk: string | Uint8Array): boolean => {
    text += String(chunk)
    return true
  }
  const spies = [process.stdout, process.stderr].map((stream) =>
    vi.spyOn(stream, 'write').mockImplementation(keep),
  )
  const before = process.exitCode
  process.exitCode = 0
  try {
    const code = await runProgram(['mapping', ...args])
    return { code, text }
  } finally {
    process.exitCode = before
    for (const spy of spies) spy.mockRestore()
  }
}

const mappings = (expected: string) => `
mappings:
  - { name: fax, source: cxone, when: { path: $.data.channelType, oneOf: [fax] }, fields: { channel: $.data.channelType } }
tests:
  - { name: a fax, source: cxone, input: { data: { channelType: fax } }, expected: { channel: ${expected} } }
`

it('runs the tests of own mappings', async () => {
  expect(await weir('check', write('good.yaml', mappings('fax')))).toEqual({
    code: 0,
    text: '1 passed, 0 failed\n',
  })
  const bad = await weir('check', write('bad.yaml', mappings('telex')))
  expect(bad.code).toBe(1)
  expect(bad.text).toContain('a fax:\n  channel: expected "telex", got "fax"')
  const broken = await weir('check', write('broken.yaml', 'mappings: [{ name: x }]'))
  expect(broken.code).toBe(2)
  expect(broken.text).toContain('broken.yaml')
})

it('prints the same data as JSON', async () => {
  const files = [write('good.yaml', mappings('fax')), write('bad.yaml', mappings('telex'))]
  const good = await weir('check', '--json', files[0]!)
  const bad = await weir('check', '--json', files[1]!)
  expect([good.code, JSON.parse(good.text)]).toMatchObject([0, [{ name: 'a fax', problems: [] }]])
  expect([bad.code, JSON.parse(bad.text)]).toMatchObject([
    1,
    [{ file: files[1], problems: ['channel: expected "telex", got "fax"'] }],
  ])
  const payload = write('one.json', '{"eventType":"e","data":{"id":"i","channelType":"voice"}}')
  const tried = await weir('test', '--json', '--source', 'cxone', payload, write('cut.json', '{"cut'))
  expect([tried.code, JSON.parse(tried.text)]).toMatchObject([
    1,
    [
      {
        file: payload,
        matched: { queue: null },
        event: { interactionId: expect.anything() as string },
        deadLetter: null,
      },
      { event: null, deadLetter: { reason: 'invalid_json' } },
    ],
  ])
})

it('shows the event of a payload and which path gave each field', async () => {
  const data = { id: 'i', channelType: 'voice', participants: [{ phoneNumber: '+1666' }] }
  const file = write('payload.json', JSON.stringify({ eventType: 'e', timestamp: 'T', data }))
  const { code, text } = await weir('test', '--source', 'cxone', file)
  expect(code).toBe(0)
  expect(text).toMatch(/customerIdentifier +\$\.data\.participants\[0\]\.phoneNumber/)
  expect(text).toMatch(/queue +\(missing\)/)
  expect(text).toContain('"customerIdentifier": "+1666"')
  const none = await weir('test', '--source', 'cxone', write('cut.json', '{"cut'))
  expect(none).toMatchObject({ code: 1, text: expect.stringContaining('dead letter invalid_json') as string })
})
