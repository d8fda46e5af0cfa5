import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { expectEveryByteMatters, judgeOf } from '../testing/every-byte.ts'
import {
  OFFICIAL_PACKAGES,
  specOf,
  type OfficialPackage,
  type SignedRequest,
} from '../testing/official-packages.ts'
import { signedHeaders } from './sign.ts'

const NOW = Date.now()

/** A request as Weir's simulator signs it. */
const signedByWeir = (
  { spec, secret, privateKey, line, unsigned }: OfficialPackage,
  raw: Buffer,
): SignedRequest => ({
  raw,
  headers: {
    ...unsigned,
    ...signedHeaders(spec, privateKey ?? secret, raw, {
      now: NOW,
      ...(line && { line }),
      ...(unsigned && { headers: unsigned }),
    }),
  },
  ...(line && { line }),
})

/** Checks bodies, each with another one of the same kind. */
const forBodies = (
  { bodyOf = (json) => json }: OfficialPackage,
  check: (raw: Buffer, another: Buffer) => Promise<void>,
) =>
  fc.assert(
    fc.asyncProperty(fc.json({ maxDepth: 2 }), (json) =>
      check(Buffer.from(bodyOf(json)), Buffer.from(bodyOf(`[${json}]`))),
    ),
    { numRuns: 25 },
  )

describe.each(OFFICIAL_PACKAGES.map((one) => [one.preset, one.name, one] as const))(
  '%s',
  (_, name, official) => {
    const { spec, secret, sign, verify } = official
    const judge = judgeOf(spec, secret, NOW)

    it.runIf(sign)(`accepts what ${name} signs, and refuses it with any byte changed`, async () => {
      await forBodies(official, async (raw) => expectEveryByteMatters(spec, judge, await sign!(raw, NOW)))
    })

    it(`signs what ${name} accepts, and refuses it with any byte changed`, async () => {
      // Rivet prints each request.
      vi.spyOn(console, 'debug').mockReturnValue()
      const isAccepted = async (request: SignedRequest): Promise<unknown> => verify(request)
      await forBodies(official, async (raw, another) => {
        const request = signedByWeir(official, raw)
        expect(await isAccepted(request)).toBe(true)
        expect(await isAccepted({ ...request, raw: another }).catch(() => false)).toBe(false)
        expectEveryByteMatters(spec, judge, request)
      })
    })
  },
)

it.each(OFFICIAL_PACKAGES)(
  'the page of sources says that $name is the package of $preset',
  ({ preset, name }) => {
    const page = readFileSync(new URL('../../../../docs/sources/README.md', import.meta.url), 'utf8')
    expect(page.split('\n').find((line) => line.startsWith(`| [\`${preset}\`]`))).toContain(`\`${name}\``)
  },
)

// PagerDuty publishes this secret, body and signature as a test of its client for Go.
describe('pagerduty', () => {
  const secret = 'lDQHScfUeXUKaQRNF+8XIiDKZ7XX3itBAYzwU0TARw8lJqRnkKl2iB1anSb0Z+IK'
  const raw = Buffer.from(
    '{"event":{"id":"01BWDWL3NYY7LUFPZCC28QUCMK","event_type":"incident.priority_updated","resource_type":"incident","occurred_at":"2021-04-26T17:36:27.458Z","agent":{"html_url":"https://acme.pagerduty.com/users/PLH1HKV","id":"PLH1HKV","self":"https://api.pagerduty.com/users/PLH1HKV","summary":"Tenex Engineer","type":"user_reference"},"client":null,"data":{"id":"PGR0VU2","type":"incident","self":"https://api.pagerduty.com/incidents/PGR0VU2","html_url":"https://acme.pagerduty.com/incidents/PGR0VU2","number":2,"status":"triggered","title":"A little bump in the road","service":{"html_url":"https://acme.pagerduty.com/services/PF9KMXH","id":"PF9KMXH","self":"https://api.pagerduty.com/services/PF9KMXH","summary":"API Service","type":"service_reference"},"assignees":[{"html_url":"https://acme.pagerduty.com/users/PTUXL6G","id":"PTUXL6G","self":"https://api.pagerduty.com/users/PTUXL6G","summary":"User 123","type":"user_reference"}],"escalation_policy":{"html_url":"https://acme.pagerduty.com/escalation_policies/PUS0KTE","id":"PUS0KTE","self":"https://api.pagerduty.com/escalation_policies/PUS0KTE","summary":"Default","type":"escalation_policy_reference"},"teams":[{"html_url":"https://acme.pagerduty.com/teams/PFCVPS0","id":"PFCVPS0","self":"https://api.pagerduty.com/teams/PFCVPS0","summary":"Engineering","type":"team_reference"}],"priority":{"html_url":"https://acme.pagerduty.com/account/incident_priorities","id":"PSO75BM","self":"https://api.pagerduty.com/priorities/PSO75BM","summary":"P1","type":"priority_reference"},"urgency":"high","conference_bridge":{"conference_number":1000,"conference_url":"https://example.com"},"resolve_reason":null}}}',
  )
  const spec = specOf('pagerduty')
  const signature = 'v1=0c0b9495b893a39e70d1fea2fe11fbe0a825f88b9f67846f6cc07dd2bc5476cd'

  it('accepts the published example, and refuses it with any byte changed', () => {
    const headers = { 'x-pagerduty-signature': signature }
    expectEveryByteMatters(spec, judgeOf(spec, secret, NOW), { raw, headers })
    expect(signedHeaders(spec, secret, raw)).toEqual(headers)
  })
})
