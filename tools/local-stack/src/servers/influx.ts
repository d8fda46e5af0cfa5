import { chmodSync, cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Environment } from '../config.ts'
import { ensureFolder, ensurePrivate, type Folders } from '../folders.ts'
import { runToEnd, startProcess, waitUntilReady } from '../processes/process.ts'
import { asServer, type LocalServer } from './server.ts'

const INFLUX_VERSION = '1.8.10'
/** It compiles all of Flux first: two seconds of CPU time, of which a busy machine makes a minute. */
const READY_MS_MAX = 180_000
export const INFLUX_DATABASE = 'cxone_metrics'

const MODULE = 'github.com/influxdata/influxdb'
const INFLUX_USER = 'weir'
const METRICS_USER = 'weir_metrics'

/** What 1.8 has no setting for. Each text is in its file exactly once. */
const PATCHES = [
  {
    // Any page that a browser on this machine shows could read the answers.
    file: 'services/httpd/handler.go',
    from: 'if origin := r.Header.Get("Origin"); origin != "" {',
    to: 'if origin := r.Header.Get("Origin"); false {',
  },
  {
    // Backups need no password, so its listener is a socket in the data folder.
    file: 'cmd/influxd/run/server.go',
    from: 'net.Listen("tcp", s.BindAddress)',
    to: 'net.Listen("unix", s.BindAddress)',
  },
] as const

/** Where the program is once it was built. */
export const influxFolder = (folders: Pick<Folders, 'downloads'>): string =>
  join(folders.downloads, `influxdb-${INFLUX_VERSION}-patched`)

export const isInfluxBuilt = (folders: Folders): boolean => existsSync(influxFolder(folders))

const patch = (sources: string): void => {
  for (const { file, from, to } of PATCHES) {
    const path = join(sources, file)
    const [before, after, ...more] = readFileSync(path, 'utf8').split(from)
    if (after === undefined || more.length > 0) throw new Error(`${file} of InfluxDB is not as expected`)
    writeFileSync(path, `${before}${to}${after}`)
  }
}

/** Built from its Go module with `PATCHES`, about a minute of two cores. */
export const buildInflux = (folders: Folders): Promise<void> =>
  ensureFolder(influxFolder(folders), async (temporary) => {
    const cache = join(temporary, 'cache')
    const sources = join(temporary, 'sources')
    const step = (name: string, cwd: string, args: readonly string[], env: Environment = {}): Promise<void> =>
      runToEnd(folders.run, {
        name: `influx-${name}`,
        // So that what runs beside it does not stand still for a minute.
        command: 'nice',
        args: ['-n', '10', 'go', ...args],
        cwd,
        env,
        inherits: true,
        logFile: join(folders.logs, `influx-${name}.log`),
      })
    await step('fetch', temporary, ['mod', 'download', `${MODULE}@v${INFLUX_VERSION}`], { GOMODCACHE: cache })
    cpSync(join(cache, `${MODULE}@v${INFLUX_VERSION}`), sources, { recursive: true })
    makeWritable(sources)
    patch(sources)
    const output = join(temporary, 'influxd')
    const flags = `-ldflags=-s -w -X main.version=${INFLUX_VERSION}`
    await step('build', sources, ['build', '-trimpath', flags, '-o', output, './cmd/influxd'])
    makeWritable(cache)
    for (const folder of [cache, sources]) rmSync(folder, { recursive: true })
  })

/** Go's module cache is read-only, its folders too. */
const makeWritable = (folder: string): void => {
  chmodSync(folder, 0o755)
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) makeWritable(path)
    else if (entry.isFile()) chmodSync(path, 0o644)
  }
}

export interface InfluxOptions {
  readonly folders: Folders
  readonly port: number
  /** Of its administrator; the data folder keeps the one that it began with. */
  readonly password: string
  /** Of the user for metric-export and audits; undefined: there is none. */
  readonly metricsPassword?: string
}

/** What the administrator sends. */
export const influxToken = (password: string): string => `${INFLUX_USER}:${password}`
/** What metric-export and audits send. */
export const influxMetricsToken = (password: string): string => `${METRICS_USER}:${password}`

/** Lets a user write and read the points of Weir's database, and nothing else. May be called again. */
export const grantMetrics = async (url: string, adminToken: string, password: string): Promise<void> => {
  for (const q of [
    `CREATE USER ${METRICS_USER} WITH PASSWORD '${password}'`,
    `GRANT ALL ON ${INFLUX_DATABASE} TO ${METRICS_USER}`,
  ]) {
    const answer = await query(url, adminToken, q)
    if (!answer.ok) throw new Error(`InfluxDB answers ${answer.status} to the rights of ${METRICS_USER}`)
  }
}

const query = (url: string, token: string, q: string): Promise<Response> =>
  fetch(`${url}/query`, {
    method: 'POST',
    headers: { authorization: `Token ${token}` },
    body: new URLSearchParams({ q }),
  })

const config = (dataDir: string, port: number): string => `reporting-disabled = true
bind-address = "backup.sock"
[meta]
  dir = "${dataDir}/meta"
[data]
  dir = "${dataDir}/data"
  wal-dir = "${dataDir}/wal"
[http]
  bind-address = "127.0.0.1:${port}"
  auth-enabled = true
  ping-auth-enabled = true
  pprof-enabled = true
  pprof-auth-enabled = true
  flux-enabled = true
  log-enabled = false
[monitor]
  store-enabled = false
`

/**
 * InfluxDB 1.8, which speaks the write API of version 2 and Flux; the database is there when this resolves. Every
 * request takes the token, and so do those for its own state.
 */
export const startInflux = async ({
  folders,
  port,
  password,
  metricsPassword,
}: InfluxOptions): Promise<LocalServer> => {
  ensurePrivate(folders.state)
  const dataDir = join(folders.state, 'influx')
  ensurePrivate(dataDir)
  const configFile = join(folders.state, 'influx.toml')
  writeFileSync(configFile, config(dataDir, port))
  // One that was killed leaves it, and could not listen again.
  rmSync(join(dataDir, 'backup.sock'), { force: true })
  const child = startProcess(folders.run, {
    name: 'influx',
    command: join(influxFolder(folders), 'influxd'),
    args: ['run', '-config', configFile],
    // The path of a socket is short, so it is relative.
    cwd: dataDir,
    logFile: join(folders.logs, 'influx.log'),
  })
  const url = `http://127.0.0.1:${port}`
  const token = influxToken(password)
  await waitUntilReady(
    child,
    async () => [204, 401].includes((await fetch(`${url}/ping`)).status),
    READY_MS_MAX,
  )
  // Without any user it lets everybody make the first one, and nothing else.
  await query(url, token, `CREATE USER ${INFLUX_USER} WITH PASSWORD '${password}' WITH ALL PRIVILEGES`)
  const answer = await query(url, token, `CREATE DATABASE ${INFLUX_DATABASE}`)
  if (!answer.ok) {
    await child.stop()
    throw new Error(
      `InfluxDB refuses its password with ${answer.status}: its data in ${dataDir} began with another one. Delete that folder, or start with --fresh`,
    )
  }
  if (metricsPassword !== undefined) await grantMetrics(url, token, metricsPassword)
  return asServer(child, url)
}
