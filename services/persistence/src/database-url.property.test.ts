import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import pg from 'pg'
import { afterAll, expect, it } from 'vitest'
import { loadConfig } from './config.ts'

const GOOD = 'cW0d8pZ2-7hVq4sLr9Yt1Nx5Kb3Mf6Gj'
const folder = mkdtempSync(join(tmpdir(), 'weir-database-url-'))
const file = join(folder, 'authority.pem')
writeFileSync(file, 'x')
afterAll(() => rmSync(folder, { recursive: true }))

/** The hosts of this machine in these URLs. With a lone percent sign, `pg` does not take `/tmp` for a host. */
const LOCAL = new Set(['localhost', '127.0.0.1', '::1', '/tmp', '%2Ftmp'])
const HOSTS = ['db.example', '10.0.0.1', '[2001:db8::1]', 'localhost', '127.0.0.1', '[::1]', '%2Ftmp']
const VALUES: Readonly<Record<string, readonly string[]>> = {
  host: ['', 'db.example', 'localhost', '/tmp'],
  user: ['', 'weir'],
  password: ['', 'weir', GOOD],
  ssl: ['', 'true', '1', '0', 'no-verify'],
  sslmode: ['', 'disable', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify', 'allow'],
  sslrootcert: ['', file],
  sslnegotiation: ['', 'direct', 'postgres'],
  uselibpqcompat: ['', 'true', 'false'],
}
const parameter = fc
  .constantFrom(...Object.keys(VALUES))
  .chain((name) => fc.constantFrom(...VALUES[name]!).map((value) => [name, value] as const))
const url = fc
  .record({
    login: fc.constantFrom('', 'weir@', 'weir:weir@', `weir:${GOOD}@`, 'weir:%zz@'),
    host: fc.constantFrom(...HOSTS),
    parameters: fc.array(parameter, { maxLength: 5 }),
  })
  .map(({ login, host, parameters }) => {
    const query = new URLSearchParams(
      parameters.map(([name, value]): [string, string] => [name, value]),
    ).toString()
    return `postgres://${login}${host}/weir?${query}`
  })

/** Where and how `pg` connects; undefined: it refuses the URL. */
const clientOf = (connectionString: string) => {
  try {
    const { host, password, ssl } = new pg.Client({ connectionString }) as unknown as {
      readonly host: string
      readonly password: string | null
      readonly ssl: boolean | string | { readonly rejectUnauthorized?: boolean }
    }
    const isChecked = typeof ssl === 'object' ? ssl.rejectUnauthorized !== false : Boolean(ssl)
    return { password, isSafe: LOCAL.has(host) || isChecked }
  } catch {
    return undefined
  }
}

const refusalOf = (databaseUrl: string): string => {
  const kafka = { KAFKA_BROKERS: 'broker:9093', SCHEMA_REGISTRY_URL: 'http://registry:8081' }
  try {
    loadConfig({ ...kafka, DATABASE_URL: databaseUrl })
    return ''
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`
  }
}

it('refuses every URL with which pg would leave this machine unprotected, or with a guessable password', () => {
  fc.assert(
    fc.property(url, (databaseUrl) => {
      const client = clientOf(databaseUrl)
      if (client === undefined) return
      const refusal = refusalOf(databaseUrl)
      expect(refusal).toMatch(/^(ConfigError: |$)/)
      if (!client.isSafe) expect(refusal).toContain('ALLOW_PLAINTEXT_DATABASE')
      if (client.password === 'weir') expect(refusal).toContain('password in DATABASE_URL')
    }),
    { numRuns: 2_000 },
  )
})
