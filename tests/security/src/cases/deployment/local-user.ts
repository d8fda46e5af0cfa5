import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import pg from 'pg'
import { asOther, canBeOthers, OTHER_USERS, type LocalRun, type PortName } from '../../rig/local-run.ts'
import { securityCase, type SecurityCase } from '../../security-case.ts'

/**
 * What another user of the machine gets of an `npm start` that root runs. A port of the loopback interface does not see
 * who connects, so what is tried over the network is tried from here.
 */
export const localUserCases = (): readonly SecurityCase[] => {
  if (canBeOthers) return [...fileRows(), ...processRows(), ...databaseRows(), ...httpRows(), ...openRows()]
  process.stderr.write('Rows of the group "local user" are left out: they take root on Linux.\n')
  return []
}

const row = (
  what: string,
  expected: string,
  attack: (run: LocalRun) => Promise<string> | string,
): SecurityCase =>
  securityCase(`local user: ${what}`, expected, async (rig) => attack(await rig.localRun()), { tier: 'full' })

const counted = (found: readonly string[]): string =>
  found.length === 0 ? 'none' : `${found.length}: ${found.slice(0, 3).join(', ')}`

const fileRows = (): readonly SecurityCase[] => [
  ...OTHER_USERS.map((user) =>
    row(`files that user ${user} can read in WEIR_HOME`, 'none', async ({ home }) => {
      // Downloads are links and contain no secret.
      const found = await asOther(user, 'find', [home, '-type', 'f', '-readable'])
      return counted(found.split('\n').filter(Boolean))
    }),
  ),
  row('folders with data, logs and pid files that others may enter', 'none', ({ home }) => {
    const open: string[] = []
    const look = (folder: string): void => {
      for (const name of readdirSync(folder)) {
        const path = join(folder, name)
        const stat = lstatSync(path)
        if (!stat.isDirectory()) continue
        // What lies in a closed folder is closed.
        if ((stat.mode & 0o077) !== 0) open.push(path)
      }
    }
    look(home)
    look(join(home, 'state'))
    return counted(open)
  }),
]

const processRows = (): readonly SecurityCase[] => [
  row('servers that were started', 'influx, kafka, postgres, registry', ({ children }) =>
    children
      .map(({ name }) => name)
      .toSorted()
      .join(', '),
  ),
  row("secrets of the caller's environment in that of a server", 'none', ({ children, canary }) =>
    counted(
      children
        .filter(({ pid }) => readFileSync(`/proc/${pid}/environ`, 'latin1').includes(canary))
        .map(({ name }) => name),
    ),
  ),
  row('secrets in the arguments of a server, which every user can list', 'none', (run) => {
    const secrets = [run.canary, ...Object.entries(run.settings).flatMap(secretsOf)]
    return counted(
      run.children
        .filter(({ pid }) =>
          secrets.some((secret) => readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(secret)),
        )
        .map(({ name }) => name),
    )
  }),
  ...OTHER_USERS.map((user) =>
    row(`environments and memory of servers that user ${user} can read`, 'none', async ({ children }) => {
      const files = children.flatMap(({ pid }) => [`/proc/${pid}/environ`, `/proc/${pid}/maps`])
      const read = await Promise.all(
        files.map(async (file) => ((await asOther(user, 'head', ['-c', '1', file])) === '' ? [] : [file])),
      )
      return counted(read.flat())
    }),
  ),
  row('rights that PostgreSQL keeps', 'none, and a user of its own', ({ children }) => {
    const status = readFileSync(`/proc/${pidOf(children, 'postgres')}/status`, 'latin1')
    const capabilities = [...status.matchAll(/^Cap(?:Inh|Prm|Eff|Amb):\s+(\S+)/gm)].map(([, mask]) => mask!)
    const users = /^Uid:\s+(.*)$/m.exec(status)![1]!.split(/\s+/).map(Number)
    const isAlone = users.every((user) => user !== 0 && !OTHER_USERS.some((other) => other === user))
    const has = capabilities.every((mask) => /^0+$/.test(mask)) ? 'none' : capabilities.join(' ')
    return `${has}, and ${isAlone ? 'a user of its own' : `user ${users.join(' ')}`}`
  }),
  row('addresses other than the loopback interface on which something listens', 'none', (run) => {
    const listening = run.listening()
    if (listening.length < 10) return `only ${listening.length} sockets were found`
    return counted(listening.filter((address) => !/^(?:0{24}|0{16}FFFF0000)?0100007F:/.test(address)))
  }),
]

const pidOf = (children: LocalRun['children'], name: string): number =>
  children.find((child) => child.name === name)!.pid

/** Passwords in addresses, tokens and keys. */
const secretsOf = ([name, value]: readonly [string, string]): readonly string[] => {
  if (name === 'DATABASE_URL') return [new URL(value).password]
  return /TOKEN|SECRET|KEY/.test(name) && value.length >= 16 ? [value] : []
}

/** `in`, or the SQLSTATE of the refusal. */
const logIn = async (run: LocalRun, user: string, password: string, database: string): Promise<string> => {
  const client = new pg.Client({ host: '127.0.0.1', port: run.ports.POSTGRES_PORT, user, password, database })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return `${user} is in`
  } catch (error) {
    return (error as { code?: string }).code ?? (error as Error).message
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** The SQLSTATE of the refusal, else the rows as text. */
const ask = async (url: string, sql: string): Promise<string> => {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    const results = (await client.query(sql)) as unknown as pg.QueryResult | readonly pg.QueryResult[]
    return JSON.stringify([results].flat().flatMap(({ rows }) => rows as unknown[]))
  } catch (error) {
    return (error as { code?: string }).code ?? (error as Error).message
  } finally {
    await client.end()
  }
}

const GUESSES = ['weir', 'postgres', 'password', 'admin', 'root', '123456', 'x']
const ROLES = ['weir', 'postgres', 'weir_owner', 'weir_writer', 'weir_reader']
const REFUSED = /^(?:28P01|28000|3D000)$/

const readerUrl = ({ home, settings }: LocalRun): string => {
  const password = /^password=(.*)$/m.exec(readFileSync(join(home, 'run/pg_service.conf'), 'utf8'))![1]!
  const url = new URL(settings.DATABASE_URL!)
  url.username = 'weir_reader'
  url.password = password
  return url.href
}

const PROGRAM = "CREATE TEMP TABLE seen (line text); COPY seen FROM PROGRAM 'env; id'; SELECT line FROM seen"

const databaseRows = (): readonly SecurityCase[] => [
  row('guessed passwords that let into PostgreSQL', 'none', async (run) => {
    const tries = ROLES.flatMap((role) =>
      GUESSES.concat(role).flatMap((guess) =>
        ['weir', 'postgres'].map((name) => logIn(run, role, guess, name)),
      ),
    )
    return counted((await Promise.all(tries)).filter((answer) => !REFUSED.test(answer)))
  }),
  row("COPY TO PROGRAM with the services' roles", 'writer 42501, reader 42501', async (run) => {
    const [writer, reader] = [run.settings.DATABASE_URL!, readerUrl(run)]
    // Needs no right but that to run programs: these roles may not create the table of `PROGRAM`.
    const program = "COPY (SELECT 1) TO PROGRAM 'cat'"
    return `writer ${await ask(writer, program)}, reader ${await ask(reader, program)}`
  }),
  row('rights over the server of the roles that services have', 'none', async (run) => {
    const rights = 'rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls'
    const sql = `SELECT rolname AS role FROM pg_roles WHERE rolname = current_user AND (${rights})`
    const answers = await Promise.all(
      [run.settings.DATABASE_URL!, readerUrl(run)].map((url) => ask(url, sql)),
    )
    return counted(answers.filter((answer) => answer !== '[]'))
  }),
  row('COPY FROM PROGRAM even of the superuser: secrets in what it prints', 'none', async (run) => {
    const printed = await ask(run.adminUrl, PROGRAM)
    if (!printed.includes('uid=')) return `the program did not run: ${printed}`
    const secrets = [run.canary, ...Object.entries(run.settings).flatMap(secretsOf)]
    return counted(secrets.filter((secret) => printed.includes(secret)).map(() => 'a secret'))
  }),
  row("root's files that even the superuser reads or writes", 'none', async (run) => {
    const secret = join(run.home, 'state/identity.json')
    const tries = {
      'reads the secrets of the run': `CREATE TEMP TABLE seen (line text); COPY seen FROM '${secret}'`,
      'reads /etc/shadow': "CREATE TEMP TABLE seen (line text); COPY seen FROM '/etc/shadow'",
      'writes to /root': "COPY (SELECT 1) TO '/root/weir-was-here'",
      'writes into the state': `COPY (SELECT 1) TO '${join(run.home, 'state/was-here')}'`,
    }
    const answers = await Promise.all(
      Object.entries(tries).map(async ([what, sql]) =>
        (await ask(run.adminUrl, sql)) === '42501' ? [] : [what],
      ),
    )
    return counted(answers.flat())
  }),
]

/** The second is what the registry allows by itself. */
const ORIGINS = ['https://evil.example', 'http://localhost:8888']
const QUESTIONS = ORIGINS.flatMap((origin) => ['GET', 'OPTIONS'].map((method) => ({ origin, method })))

const get = (
  port: number,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Response> =>
  fetch(`http://127.0.0.1:${port}${path}`, { method, headers, signal: AbortSignal.timeout(20_000) })

const INFLUX_PATHS = [
  '/ping',
  '/health',
  '/metrics',
  '/debug/vars',
  '/debug/requests',
  '/debug/pprof/heap',
  '/debug/pprof/cmdline',
  '/query?q=SHOW%20DATABASES',
  '/query?db=cxone_metrics&q=SHOW%20SERIES',
]
const HTTP_PORTS: readonly PortName[] = [
  ...(['INGRESS_PORT', 'CONSOLE_PORT', 'REPLAY_PORT', 'REGISTRY_PORT', 'INFLUX_PORT'] as const),
  ...(['DEDUP_PROBE_PORT', 'NORMALIZER_PROBE_PORT', 'PERSISTENCE_PROBE_PORT'] as const),
]

const httpRows = (): readonly SecurityCase[] => [
  row('what InfluxDB answers without a token', 'none', async ({ ports }) => {
    const statuses = await Promise.all(
      INFLUX_PATHS.map(async (path) => [path, (await get(ports.INFLUX_PORT, path)).status] as const),
    )
    const write = await fetch(`http://127.0.0.1:${ports.INFLUX_PORT}/write?db=cxone_metrics`, {
      method: 'POST',
      body: 'forged value=1',
    })
    return counted(
      [...statuses, ['/write', write.status] as const]
        .filter(([, status]) => status !== 401 && status !== 403 && status !== 404)
        .map(([path, status]) => `${path} ${status}`),
    )
  }),
  row('servers that allow the pages of another origin to read them', 'none', async ({ ports }) => {
    const answers = await Promise.all(
      HTTP_PORTS.flatMap((name) =>
        QUESTIONS.map(async ({ origin, method }) => {
          const headers = { origin, 'access-control-request-method': 'GET' }
          const answer = await get(
            ports[name],
            name === 'INFLUX_PORT' ? '/query' : '/readyz',
            headers,
            method,
          )
          return answer.headers.get('access-control-allow-origin') === null ? [] : [`${method} ${name}`]
        }),
      ),
    )
    return counted(answers.flat())
  }),
  row('the console with the token "dev", and without one', '401, 401', async ({ ports }) => {
    const path = `/events/${'0'.repeat(32)}`
    const dev = await get(ports.CONSOLE_PORT, path, { authorization: 'Bearer dev' })
    return `${dev.status}, ${(await get(ports.CONSOLE_PORT, path)).status}`
  }),
  row('dead letters without a token', '401', async ({ ports }) =>
    String((await get(ports.REPLAY_PORT, '/v1/letters?stage=dedup')).status),
  ),
  row('an event of Cognigy without its token', '401', async ({ ports }) => {
    const body = '{"conversationId":"c","sessionId":"s","intent":"i","timestamp":1769860800000,"userId":"u"}'
    const answer = await fetch(`http://127.0.0.1:${ports.INGRESS_PORT}/webhooks/cognigy`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
    })
    return String(answer.status)
  }),
]

const connects = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    const end = (result: boolean): void => {
      socket.destroy()
      resolve(result)
    }
    socket.once('connect', () => end(true)).once('error', () => end(false))
  })

/** What stays open on one machine, so that the documents and the code say the same. */
const openRows = (): readonly SecurityCase[] => [
  row('left open: the plaintext port of Kafka, and the registry', 'Kafka, registry', async ({ ports }) => {
    const open = (await connects(ports.KAFKA_PORT)) ? ['Kafka'] : []
    const answer = await get(ports.REGISTRY_PORT, '/apis/ccompat/v7/subjects')
    return [...open, ...(answer.ok ? ['registry'] : [])].join(', ')
  }),
]
