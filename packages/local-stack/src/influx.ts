import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ensureFolder, type Folders } from './folders.ts'
import { runToEnd, startProcess, waitUntilReady } from './process.ts'
import { asServer, type LocalServer } from './server.ts'

const INFLUX_VERSION = '1.8.10'
/** It compiles all of Flux first: two seconds of CPU time, of which a busy machine makes a minute. */
const READY_MS_MAX = 180_000
export const INFLUX_DATABASE = 'cxone_metrics'

const influxFolder = (folders: Folders): string => join(folders.downloads, `influxdb-${INFLUX_VERSION}`)

export const isInfluxBuilt = (folders: Folders): boolean => existsSync(influxFolder(folders))

/** Built from its Go module, about a minute of two cores. */
export const buildInflux = (folders: Folders): Promise<void> =>
  ensureFolder(influxFolder(folders), (temporary) =>
    runToEnd(folders.run, {
      name: 'build-influx',
      // So that what runs beside it does not stand still for a minute.
      command: 'nice',
      args: [
        ...['-n', '10', 'go', 'install', `-ldflags=-s -w -X main.version=${INFLUX_VERSION}`],
        `github.com/influxdata/influxdb/cmd/influxd@v${INFLUX_VERSION}`,
      ],
      cwd: temporary,
      env: { GOBIN: temporary },
      logFile: join(folders.logs, 'build-influx.log'),
    }),
  )

export interface InfluxOptions {
  readonly folders: Folders
  readonly port: number
  /** For its backup service, which cannot be switched off. */
  readonly backupPort: number
}

const config = (dataDir: string, port: number, backupPort: number): string => `reporting-disabled = true
bind-address = "127.0.0.1:${backupPort}"
[meta]
  dir = "${dataDir}/meta"
[data]
  dir = "${dataDir}/data"
  wal-dir = "${dataDir}/wal"
[http]
  bind-address = "127.0.0.1:${port}"
  flux-enabled = true
  log-enabled = false
[monitor]
  store-enabled = false
`

/** InfluxDB 1.8, which speaks the write API of version 2 and Flux; the database is there when this resolves. */
export const startInflux = async ({ folders, port, backupPort }: InfluxOptions): Promise<LocalServer> => {
  const dataDir = join(folders.state, 'influx')
  mkdirSync(dataDir, { recursive: true })
  const configFile = join(folders.state, 'influx.toml')
  writeFileSync(configFile, config(dataDir, port, backupPort))
  const child = startProcess(folders.run, {
    name: 'influx',
    command: join(influxFolder(folders), 'influxd'),
    args: ['run', '-config', configFile],
    logFile: join(folders.logs, 'influx.log'),
  })
  const url = `http://127.0.0.1:${port}`
  await waitUntilReady(child, async () => (await fetch(`${url}/ping`)).status === 204, READY_MS_MAX)
  const query = encodeURIComponent(`CREATE DATABASE ${INFLUX_DATABASE}`)
  await waitUntilReady(child, async () => (await fetch(`${url}/query?q=${query}`, { method: 'POST' })).ok)
  return asServer(child, url)
}
