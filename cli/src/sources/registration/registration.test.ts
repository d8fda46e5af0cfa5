import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { HOSTILE_WAYS, hostileServer, ordeal } from '@weir/testkit'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { OAuthToken, RegistrationError } from './oauth-token.ts'
import { loadRegistrationConfig } from './config.ts'
import { runProgram } from '../../program.ts'
import {
  REGISTRATION_FORMS,
  rightsOf,
  type RegistrationForm,
  type RegistrationFormName,
} from './registration-forms.ts'
import { registerWebhook } from './register-webhook.ts'

interface Came {
  readonly path: string
  readonly type: string
  readonly authorization: string
  readonly body: string
}

const WEBHOOK = { name: 'Interaction Router', url: 'https://weir.example/webhooks/cxone', secret: 'shared' }
let server: Server
let hostUrl = ''
let came: Came[] = []
/** Statuses of the next answers to registrations; then 201. */
let statuses: number[] = []
let headers: Record<string, string> = {}
let now = 0
let tokenStatus = 200

beforeEach(async () => {
  ;[came, statuses, headers, now, tokenStatus] = [[], [], {}, 1_000_000, 200]
  let tokens = 0
  server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      const { 'content-type': type = '', authorization = '' } = request.headers
      came.push({ path: request.url!, type, authorization, body })
      if (request.url === '/oauth/token') {
        response.writeHead(tokenStatus)
        response.end(JSON.stringify({ access_token: `token-${++tokens}`, expires_in: 600 }))
      } else {
        response.writeHead(statuses.shift() ?? 201, headers).end('{"webhookId":"wh-1"}')
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  hostUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(() => void server.close())

const tokenOf = (scopes: readonly string[]) =>
  new OAuthToken({ hostUrl, clientId: 'id', clientSecret: 'a secret', scopes, now: () => now })
const register = (name: RegistrationFormName = 'cxone-router', token?: OAuthToken) => {
  const form: RegistrationForm = REGISTRATION_FORMS[name]
  return registerWebhook({
    hostUrl,
    path: '/api/v2/webhooks',
    body: form.bodyOf(WEBHOOK),
    backoffMs: [1, 1],
    rights: rightsOf(form, form.scopes),
    token: token ?? tokenOf(form.scopes),
  })
}
const registrations = () => came.filter(({ path }) => path === '/api/v2/webhooks')
const tokens = () => came.filter(({ path }) => path === '/oauth/token')

describe('S2 Node router', () => {
  it('S2-01 requests a token with client credentials as a form, once, until a minute before its expiry', async () => {
    const token = tokenOf(['webhooks:write', 'interactions:read'])
    expect([await token.get(), await token.get()]).toEqual(['token-1', 'token-1'])
    expect(tokens()).toHaveLength(1)
    expect(tokens()[0]!.type).toMatch(/^application\/x-www-form-urlencoded/)
    expect(Object.fromEntries(new URLSearchParams(tokens()[0]!.body))).toEqual({
      grant_type: 'client_credentials',
      client_id: 'id',
      client_secret: 'a secret',
      scope: 'webhooks:write interactions:read',
    })
    now += 539_999
    expect(await token.get()).toBe('token-1')
    now += 1
    expect(await token.get()).toBe('token-2')
  })

  it('S2-01 requests another token once when one is refused', async () => {
    statuses = [401]
    expect(await register()).toEqual({ kind: 'registered', webhookId: 'wh-1' })
    expect(registrations().map(({ authorization }) => authorization)).toEqual([
      'Bearer token-1',
      'Bearer token-2',
    ])
    statuses = [401, 401]
    await expect(register()).rejects.toThrow(/status 401/)
  })

  it('S2-01 names the settings when no token is given, and no secret', async () => {
    tokenStatus = 400
    const error = await register().catch((one: unknown) => one)
    expect(error).toBeInstanceOf(RegistrationError)
    expect((error as Error).message).toContain('CXONE_CLIENT_ID')
    expect((error as Error).message).not.toContain('a secret')
  })

  it('S2-02 registers the router for its three events, and treats an existing webhook as registered', async () => {
    expect(await register()).toEqual({ kind: 'registered', webhookId: 'wh-1' })
    expect(JSON.parse(registrations()[0]!.body)).toEqual({
      name: 'Interaction Router',
      url: WEBHOOK.url,
      scope: 'interactions:read',
      events: ['interaction.created', 'interaction.updated', 'interaction.completed'],
    })
    statuses = [409]
    expect(await register()).toEqual({ kind: 'exists' })
  })

  it('S2-02 waits when it is throttled, and names the missing scope', async () => {
    statuses = [429, 429]
    expect(await register()).toMatchObject({ kind: 'registered' })
    expect(registrations()).toHaveLength(3)
    statuses = [429, 429, 429]
    await expect(register()).rejects.toThrow(/status 429/)
    statuses = [429]
    headers = { 'retry-after': '0' }
    expect(await register()).toMatchObject({ kind: 'registered' })
    statuses = [403]
    await expect(register()).rejects.toThrow(/scopes webhooks:write interactions:read/)
  })
})

/** Runs `weir sources register` as a user does; gives what it printed and its exit code. */
const runCommand = async (args: readonly string[], env: Record<string, string> = {}) => {
  const printed: string[] = []
  const take = (text: string | Uint8Array): boolean => printed.push(text.toString()) > 0
  const spies = [process.stdout, process.stderr].map((stream) =>
    vi.spyOn(stream, 'write').mockImplementation(take),
  )
  const all = {
    WEIR_PROFILE: 'dev',
    CXONE_INSTANCE: hostUrl,
    CXONE_CLIENT_ID: 'id',
    CXONE_CLIENT_SECRET: 'a secret',
    CXONE_WEBHOOK_URL: WEBHOOK.url,
    CXONE_WEBHOOK_SECRET: 'shared',
    ...env,
  }
  for (const [name, value] of Object.entries(all)) vi.stubEnv(name, value)
  try {
    const code = await runProgram(['sources', 'register', ...args])
    return { text: printed.join(''), code }
  } finally {
    process.exitCode = 0
    vi.unstubAllEnvs()
    for (const spy of spies) spy.mockRestore()
  }
}
const scopeAsked = () => new URLSearchParams(tokens().at(-1)!.body).get('scope')

describe('S0 Azure Function', () => {
  it('S0-02 registers the four events of a call with its payload template and retries, under its own name', async () => {
    expect(await runCommand(['cxone'])).toMatchObject({ text: 'registered as wh-1\n', code: 0 })
    expect(JSON.parse(registrations()[0]!.body)).toEqual({
      name: 'CXone Event Receiver',
      url: WEBHOOK.url,
      eventTypes: ['CALL_CONNECTED', 'CALL_TRANSFERRED', 'CALL_DISCONNECTED', 'CALL_WRAP_UP'],
      payloadTemplate: {
        interactionId: '{{interaction.id}}',
        eventType: '{{event.type}}',
        timestamp: '{{event.timestamp}}',
        agentId: '{{interaction.agent.id}}',
        skill: '{{interaction.skill.name}}',
        direction: '{{interaction.direction}}',
        sequenceNumber: '{{event.sequenceNumber}}',
      },
      authentication: { type: 'sharedSecret', secretKey: 'shared' },
      retryPolicy: { maxRetries: 4, initialDelaySeconds: 60 },
    })
  })

  it('S0-03 requests its scopes only when it enriches, and names missing permissions', async () => {
    await runCommand(['cxone'])
    expect(scopeAsked()).toBeNull()
    await runCommand(['cxone', '--enriching'])
    expect(scopeAsked()).toBe('interactions:read events:read')
    statuses = [403]
    const { text, code } = await runCommand(['cxone'])
    expect([code, text]).toEqual([
      1,
      expect.stringContaining('Webhooks Create, Webhooks Edit, Events Subscribe, Interactions Read'),
    ])
  })
})

it.each(['cxone', 'nice'])('S0-02 S4-02 refuses to register %s without a secret', async (form) => {
  for (const args of [[form], [form, '--dry-run']]) {
    const { text, code } = await runCommand(args, { CXONE_WEBHOOK_SECRET: '' })
    expect([code, text]).toEqual([1, expect.stringContaining('CXONE_WEBHOOK_SECRET is not set')])
  }
  expect(came).toEqual([])
})

it('S2-02 registers the router without a secret, because its system signs nothing', async () => {
  expect(await runCommand(['cxone-router'], { CXONE_WEBHOOK_SECRET: '' })).toMatchObject({ code: 0 })
  expect(JSON.parse(registrations()[0]!.body)).toMatchObject({ name: 'Interaction Router' })
})

describe('S4 Bloom dedup', () => {
  it('S4-02 registers data.action.updated with its secret and its own scopes', async () => {
    await register('nice')
    expect(JSON.parse(registrations()[0]!.body)).toEqual({
      url: WEBHOOK.url,
      events: ['data.action.updated'],
      secret: 'shared',
    })
    expect(new URLSearchParams(tokens()[0]!.body).get('scope')).toBe('webhook:write webhook:read')
  })

  const BASE = {
    WEIR_PROFILE: 'dev',
    CXONE_CLIENT_ID: 'id',
    CXONE_CLIENT_SECRET: 's',
    CXONE_WEBHOOK_URL: 'https://weir.example',
  }
  const hostOf = (env: Record<string, string>) => loadRegistrationConfig({ ...BASE, ...env }).hostUrl

  it.each([
    [{}, 'https://api-us-1.cxone.com'],
    [{ CXONE_REGION: '' }, 'https://api-us-1.cxone.com'],
    [{ CXONE_REGION: 'api-us-1.cxone.com' }, 'https://api-us-1.cxone.com'],
    [{ CXONE_REGION: 'api-eu-1.cxone.com/' }, 'https://api-eu-1.cxone.com'],
    [{ CXONE_REGION: 'https://api-eu-1.cxone.com' }, 'https://api-eu-1.cxone.com'],
    [{ CXONE_REGION: 'eu-1' }, 'https://api-eu-1.cxone.com'],
    [{ CXONE_REGION: 'api-eu-1' }, 'https://api-eu-1.cxone.com'],
    [{ CXONE_REGION: 'EU-1' }, 'https://api-eu-1.cxone.com'],
    [{ CXONE_INSTANCE: 'us-2' }, 'https://api-us-2.cxone.com'],
    [{ CXONE_INSTANCE: 'mine.example:8443', CXONE_REGION: 'eu-1' }, 'https://mine.example:8443'],
    [{ CXONE_INSTANCE: 'http://localhost:8080' }, 'http://localhost:8080'],
  ])('S4-03 takes %j for the host %s', (env, host) => {
    expect(hostOf(env)).toBe(host)
  })

  it.each(['https://api.example/path', 'user:word@api.example', 'a b', 'api.example?x=1', 'ftp://x.example'])(
    'S4-03 refuses %j as a host',
    (given) => {
      expect(() => hostOf({ CXONE_REGION: given })).toThrow(/CXONE_REGION is not a host/)
    },
  )
})

describe('credentials are sent to the named host only', () => {
  /** Answers whatever comes with a redirect to another server, which notes what it gets. */
  const redirecting = async (status: number, onlyPath: string) => {
    const stolen: string[] = []
    const thief = createServer((request, response) => {
      stolen.push(request.url!)
      response.end('{"access_token":"t"}')
    })
    await new Promise<void>((resolve) => thief.listen(0, '127.0.0.1', resolve))
    const location = `http://127.0.0.1:${(thief.address() as AddressInfo).port}/`
    server.removeAllListeners('request')
    server.on('request', (request, response) => {
      request.resume()
      if (request.url === onlyPath) response.writeHead(status, { location }).end()
      else response.end('{"access_token":"t","expires_in":600}')
    })
    return { stolen, close: () => void thief.close() }
  }

  it.each(
    [301, 302, 303, 307, 308].flatMap((status) =>
      ['/oauth/token', '/api/v2/webhooks'].map((path) => [status, path] as const),
    ),
  )('%i of %s is not followed', async (status, path) => {
    const { stolen, close } = await redirecting(status, path)
    const { text, code } = await runCommand(['cxone'])
    close()
    expect(stolen).toEqual([])
    expect(code).toBe(1)
    expect(text).toContain(
      `${path} of ${new URL(hostUrl).host} responds with status ${status}: a redirect is not followed`,
    )
    expect(text).toContain('Set CXONE_INSTANCE')
    for (const secret of ['a secret', 'shared']) expect(text).not.toContain(secret)
  })

  it.each([{}, { WEIR_PROFILE: 'production' }])(
    'plain http is refused with %j, and nothing is sent',
    async (env) => {
      const { text, code } = await runCommand(['cxone'], { WEIR_PROFILE: '', ...env })
      expect([code, came]).toEqual([2, []])
      expect(text).toContain(`CXONE_INSTANCE is ${hostUrl} and requests to it carry CXONE_CLIENT_SECRET`)
      expect(text).toContain('Use https://, or take the risk with ALLOW_PLAINTEXT_HTTP=true.')
    },
  )

  it('gives up an endless response', async () => {
    server.removeAllListeners('request')
    server.on('request', (_request, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536, 0x20)));
      }
      response.on('drain', more)
      more()
    })
    const { text, code } = await runCommand(['cxone'])
    expect([code, text]).toEqual([1, expect.stringContaining('does not respond')])
  })
})

it('a hostile provider ends a registration in bounded time and memory', async () => {
  const ordeals = HOSTILE_WAYS.map(async (way) => {
    const hostUrl = `http://127.0.0.1:${await hostileServer('http', way)}`
    const token = new OAuthToken({ hostUrl, clientId: 'c', clientSecret: 'canary', scopes: [] })
    return { way, ...(await ordeal(() => token.get())) }
  })
  for (const { way, outcome, ms, grownBytes } of await Promise.all(ordeals)) {
    expect(outcome, way).toBeInstanceOf(RegistrationError)
    expect((outcome as Error).message).not.toContain('canary')
    expect(ms).toBeLessThan(30_000)
    expect(grownBytes).toBeLessThan(100_000_000)
  }
}, 60_000)
