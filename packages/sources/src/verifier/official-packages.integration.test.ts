import { installPython } from '@weir/testkit'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { expectEveryByteMatters, judgeOf } from '../testing/every-byte.ts'
import { SECRET, seconds, specOf } from '../testing/official-packages.ts'
import { signedHeaders } from './sign.ts'

const NOW = Date.now()

const packages = ['hubspot-api-client==12.0.0', 'slack-sdk==3.47.0', 'pywa==4.5.0']
const modules = ['hubspot.utils.signature', 'slack_sdk.signature', 'pywa.utils']
let python: ReturnType<typeof installPython>
const bodies = fc.sample(fc.json({ maxDepth: 2 }), 25).map((json) => Buffer.from(json))
const hex = bodies.map((raw) => raw.toString('hex'))
const timestamp = String(NOW)

beforeAll(() => {
  python = installPython(packages, modules)
  if (python.unavailable !== undefined) {
    process.stderr.write(`skipped: the official packages from PyPI, because ${python.unavailable}\n`)
  }
}, 300_000)
afterAll(() => python.remove())

const withPython = (title: string, check: () => void) =>
  it(title, (context) => {
    if (python.unavailable !== undefined) return context.skip(python.unavailable)
    check()
  })

withPython('hubspot: accepts what hubspot-api-client signs, and refuses it with any byte changed', () => {
  const url = 'https://hooks.example.com/webhooks/hubspot?a=1'
  const spec = { ...specOf('hubspot'), publicUrl: 'https://hooks.example.com' }
  const signatures = python.run(
    `
from hubspot.utils.signature import Signature
result = [Signature.get_signature(given["secret"], bytes.fromhex(b).decode(), "v3", given["url"], "POST", given["timestamp"]) for b in given["bodies"]]`,
    { secret: SECRET, url, timestamp, bodies: hex },
  ) as readonly string[]
  const judge = judgeOf(spec, SECRET, NOW)
  for (const [at, raw] of bodies.entries()) {
    const headers = { 'x-hubspot-signature-v3': signatures[at]!, 'x-hubspot-request-timestamp': timestamp }
    const line = { method: 'POST', target: '/webhooks/hubspot?a=1' }
    expectEveryByteMatters(spec, judge, { raw, headers, line })
    expect(signedHeaders(spec, SECRET, raw, { now: NOW, line })).toEqual(headers)
  }
})

withPython('slack: accepts what slack-sdk signs, and refuses it with any byte changed', () => {
  const spec = specOf('slack')
  const signatures = python.run(
    `
from slack_sdk.signature import SignatureVerifier
verifier = SignatureVerifier(given["secret"])
result = [verifier.generate_signature(timestamp=given["timestamp"], body=bytes.fromhex(b)) for b in given["bodies"]]`,
    { secret: SECRET, timestamp: seconds(NOW), bodies: hex },
  ) as readonly string[]
  const judge = judgeOf(spec, SECRET, NOW)
  for (const [at, raw] of bodies.entries()) {
    const headers = { 'x-slack-signature': signatures[at]!, 'x-slack-request-timestamp': seconds(NOW) }
    expectEveryByteMatters(spec, judge, { raw, headers })
    expect(signedHeaders(spec, SECRET, raw, { now: NOW })).toEqual(headers)
  }
})

withPython('meta: signs what pywa accepts, and refuses it with any byte changed', () => {
  const spec = specOf('meta')
  const requests = bodies.map((raw) => ({ raw, headers: signedHeaders(spec, SECRET, raw) }))
  const changed = requests.map(({ raw, headers }) => ({ raw: Buffer.concat([raw, raw]), headers }))
  const accepted = python.run(
    `
from pywa.utils import webhook_updates_validator
result = [webhook_updates_validator(given["secret"], bytes.fromhex(r["body"]), r["signature"]) for r in given["requests"]]`,
    {
      secret: SECRET,
      requests: [...requests, ...changed].map(({ raw, headers }) => ({
        body: raw.toString('hex'),
        signature: headers['x-hub-signature-256'],
      })),
    },
  )
  expect(accepted).toEqual([...requests.map(() => true), ...changed.map(() => false)])
  for (const request of requests) expectEveryByteMatters(spec, judgeOf(spec, SECRET, NOW), request)
})
