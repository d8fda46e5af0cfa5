import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PRESETS, sign, type HmacSpec } from '@weir/sources'
import { afterAll, expect, it } from 'vitest'
import { verifySource } from './sources-verify.ts'

const SECRET = 'a secret of the tests'
const dir = mkdtempSync(join(tmpdir(), 'weir-verify-'))
const body = join(dir, 'body.json')
writeFileSync(body, '{"id":1}')
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const signature = sign(PRESETS.nice.verifier as HmacSpec, SECRET, Buffer.from('{"id":1}'))
const env = { SOURCE_NICE_SECRETS: `another secret of the tests,${SECRET}` }
const verify = (header: readonly string[], more: object = {}, own: Record<string, string> = env) => {
  const { lines, exitCode } = verifySource({ source: 'nice', body, header, ...more }, own)
  return { text: lines.join('\n'), exitCode }
}

it('reports that a signature is valid, and which secret verifies it', () => {
  const { text, exitCode } = verify([`X-NICE-Signature: ${signature}`])
  expect([exitCode, text]).toEqual([0, expect.stringContaining('matches with secret 1 of 2')])
})

it('reports why a signature is invalid, and shows no valid one', () => {
  const { text, exitCode } = verify([`X-CXone-Signature: ${signature}`])
  expect(exitCode).toBe(1)
  expect(text).toContain('not ok header x-nice-signature is missing')
  expect(text).toMatch(/hint +header x-cxone-signature matches .* as in the preset cxone/)
  expect(text).not.toContain(SECRET)
  expect(text).not.toContain(signature)
})

it.each<[string, readonly string[], object, Record<string, string>, RegExp]>([
  ['an unknown source', [], { source: 'x' }, env, /no source x: there are cxone, cognigy/],
  ['a source that does not sign', [], { source: 'cognigy' }, env, /are not signed/],
  ['no secrets', [], {}, {}, /no secrets: give SOURCE_NICE_SECRETS/],
  ['a file of secrets that is not there', [], {}, { SOURCE_NICE_SECRETS_FILE: '/nothing' }, /ENOENT/],
  ['a body that is not there', [], { body: '/nothing' }, env, /--body \/nothing: cannot be read \(ENOENT\)/],
  ['a header without a name', ['abc'], {}, env, /--header abc: give 'name: value'/],
  ['a sources file that is not there', [], { file: '/nothing' }, env, /\/nothing .*cannot be read: ENOENT/],
])('says that it cannot judge with %s', (_, header, more, own, message) => {
  const { text, exitCode } = verify(header, more, own)
  expect([exitCode, text]).toEqual([2, expect.stringMatching(message)])
})
