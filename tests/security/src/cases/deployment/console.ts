import type { Answer } from '../../http-client.ts'
import type { Rig } from '../../rig/rig.ts'
import { securityCase, type SecurityCase } from '../../security-case.ts'

const EVENT = `/events/${'0'.repeat(32)}`
/** One that has never asked, and so has no wrong tokens held against it. */
const GUESSER = '127.0.0.9'
const BAD_TOKENS_MAX = 10

interface Question {
  readonly method?: string
  readonly path?: string
  readonly headers?: readonly string[]
  readonly from?: string
}

const ask = (
  { consoleApi }: Rig,
  { method = 'GET', path = EVENT, headers = [], from }: Question,
): Promise<Answer> =>
  consoleApi.send({ method, path, headers, raw: Buffer.alloc(0), ...(from !== undefined && { from }) })

const row = (what: string, expected: number, question: (rig: Rig) => Question): SecurityCase =>
  securityCase(`console: ${what}`, expected, async (rig) => (await ask(rig, question(rig))).status)

const token = ({ secrets }: Rig): readonly string[] => ['authorization', `Bearer ${secrets.consoleToken}`]

export const consoleCases = (): readonly SecurityCase[] => [
  row('with the token, an event that nobody knows', 404, (rig) => ({ headers: token(rig) })),
  row('no token', 401, () => ({})),
  row('another token', 401, () => ({ headers: ['authorization', 'Bearer other'] })),
  row('the token without Bearer', 401, ({ secrets }) => ({
    headers: ['authorization', secrets.consoleToken],
  })),
  row('the token and a character', 401, ({ secrets }) => ({
    headers: ['authorization', `Bearer ${secrets.consoleToken}x`],
  })),
  row('the token as a query', 401, ({ secrets }) => ({ path: `${EVENT}?token=${secrets.consoleToken}` })),
  row('POST', 405, (rig) => ({ method: 'POST', headers: token(rig) })),
  row('a key that is none', 400, (rig) => ({ path: "/events/'or'1'='1", headers: token(rig) })),
  securityCase('console: wrong tokens are told alike', '1 answer', async (rig) => {
    const headers = [[], ['authorization', 'Bearer other'], ['authorization', 'Basic b3RoZXI6b3RoZXI=']]
    const answers = await Promise.all(headers.map((one) => ask(rig, { headers: one })))
    const distinct = new Set(answers.map(({ status, body }) => `${status} ${body}`)).size
    return `${distinct} answer${distinct === 1 ? '' : 's'}`
  }),
  securityCase(
    'console: ten wrong tokens, then another and the right one from there',
    '429, 404',
    async (rig) => {
      for (let i = 0; i < BAD_TOKENS_MAX; i++) {
        await ask(rig, { headers: ['authorization', `Bearer guess-${i}`], from: GUESSER })
      }
      const guess = await ask(rig, { headers: ['authorization', 'Bearer one more'], from: GUESSER })
      const right = await ask(rig, { headers: token(rig), from: GUESSER })
      return `${guess.status}, ${right.status}`
    },
  ),
]
