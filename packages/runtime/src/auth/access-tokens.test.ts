import { expect, it, vi } from 'vitest'
import { AccessTokens, tokenProblems, warnOfExpiry } from './access-tokens.ts'
import type { Logger } from '../service/logger.ts'

const FORM = { setting: 'REPLAY_TOKENS', roles: ['operator', 'viewer'], named: true } as const
const OLD = 'o'.repeat(32)
const NEW = 'n'.repeat(32)
const NOON = Date.parse('2027-01-31T12:00:00Z')

it('accepts the old and the new token of a name during a rotation, each until it expires', () => {
  const entries = [`ann@2027-01-31T12:00Z:${OLD}`, `ann:${NEW}`, `bob/viewer@2027-02-01:${'b'.repeat(16)}`]
  expect(tokenProblems(entries, FORM)).toEqual([])
  const tokens = new AccessTokens().add(entries, FORM)
  expect(tokens.find(`Bearer ${OLD}`, NOON - 1)).toMatchObject({ name: 'ann', role: 'operator' })
  expect(tokens.find(`Bearer ${OLD}`, NOON)).toBeUndefined()
  expect(tokens.find(`Bearer ${NEW}`, NOON)).toMatchObject({ name: 'ann', expiresAt: undefined })
  expect(tokens.find(`Bearer ${'b'.repeat(16)}`, NOON)?.role).toBe('viewer')
  expect(tokens.find(undefined, NOON)).toBeUndefined()
})

it.each([
  [OLD, /entry 1 of REPLAY_TOKENS has no name/],
  [`ann/admin:${OLD}`, /unknown role: use operator or viewer/],
  [`ann@2027-13-31:${OLD}`, /has an expiry that is not a date/],
  [`ann@2027-02-30:${OLD}`, /has an expiry that is not a date/],
  [`ann@2027-04-31T12:00Z:${OLD}`, /has an expiry that is not a date/],
  [`ann@2027-01-31T24:00Z:${OLD}`, /has an expiry that is not a date/],
  [`ann@2027-1-31:${OLD}`, /has an expiry that is not a date/],
  [`ann@2027-01-31T12:00+01:00:${OLD}`, /has an expiry that is not a date/],
  [`ann@2027-01-31/viewer:${OLD}`, /has an expiry that is not a date/],
  ['ann:short', /fewer than 16/],
])('refuses a token without saying it (%#)', (entry, problem) => {
  const [said = ''] = tokenProblems([entry], FORM)
  expect(said).toMatch(problem)
  expect(said).not.toContain(OLD)
})

it('refuses a malformed expiry, also in lists whose entries need no name', () => {
  // The whole text would be the token, and would never expire.
  expect(tokenProblems([`ann@2027-1-31:${OLD}`], { ...FORM, named: false })).toHaveLength(1)
})

it.each(['dGhpcyBpcyBhIHRva2Vu+/==', 'ann@2027-01-31/viewer-token', 'ein Token mit ä und Zeilen\nende'])(
  'takes a token without a name where none is needed (%#)',
  (token) => {
    const form = { setting: 'CONSOLE_TOKENS', roles: ['events'], named: false } as const
    expect(tokenProblems([token], form)).toEqual([])
    const tokens = new AccessTokens().add([token], form)
    expect(tokens.find(`Bearer ${token}`, 0)).toMatchObject({ name: 'events-1', role: 'events' })
  },
)

it('refuses one token under two names, which would be two people, and shows it not', () => {
  const problems = tokenProblems([`ann:${OLD}`, `bob/viewer:${OLD}`, `ann@2028-01-01:${OLD}`], FORM)
  expect(problems).toEqual([expect.stringMatching(/entries 1 and 2 of .* are one token with two names/)])
  expect(problems.join()).not.toContain(OLD)
})

it('warns of tokens that expire within 14 days, once a day', () => {
  vi.useFakeTimers({ now: NOON })
  const warn = vi.fn()
  const entries = [`ann@2027-02-10:${OLD}`, `bob@2027-01-01:${NEW}`, `eve@2028-01-01:${'e'.repeat(16)}`]
  const stop = warnOfExpiry(new AccessTokens().add(entries, FORM), 'REPLAY_TOKENS', {
    warn,
  } as unknown as Logger)
  const said = () =>
    warn.mock.calls.map(([facts, text]) => `${(facts as { name: string }).name} ${text as string}`)
  expect(said()).toEqual([
    expect.stringMatching(/^ann a token will expire: add a new token/),
    expect.stringMatching(/^bob a token has expired/),
  ])
  vi.advanceTimersByTime(86_400_000)
  expect(said()).toHaveLength(4)
  stop()
  vi.advanceTimersByTime(86_400_000)
  expect(said()).toHaveLength(4)
  expect(JSON.stringify(warn.mock.calls)).not.toContain(OLD)
  vi.useRealTimers()
})
