import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { cacheFolder, programFolders, type Environment } from '../config.ts'
import { ensureFolder, ensurePrivate, type Folders } from '../folders.ts'
import { runToEnd, startProcess, waitUntilReady } from '../processes/process.ts'
import { activeRustToolchain } from './programs.ts'
import { asServer, type LocalServer } from './server.ts'

const VERSION = '2.9.1'
const MODULE = 'github.com/influxdata/influxdb/v2/cmd/influxd'
/** Finds the part of Flux that is written in Rust, and builds it. */
const PKG_CONFIG = 'github.com/influxdata/pkg-config@v0.3.0'

/** Outside of the clone: the build takes minutes, and every clone on the machine can use the one binary. */
const folder = (): string => join(cacheFolder(), `influxdb-${VERSION}`)

export const isInflux2Built = (): boolean => existsSync(folder())

/** Built from its Go module with Go and cargo, about five minutes of two idle cores. Only the binary is kept. */
export const buildInflux2 = (folders: Folders): Promise<void> =>
  ensureFolder(folder(), async (temporary) => {
    const work = join(temporary, 'build')
    const bin = join(work, 'bin')
    mkdirSync(bin, { recursive: true })
    const toolchain = await activeRustToolchain()
    const step = (name: string, args: readonly string[], env: Environment = {}): Promise<void> =>
      runToEnd(folders.run, {
        name: `influx2-${name}`,
        command: 'nice',
        args: ['-n', '15', 'go', ...args],
        cwd: work,
        env: { GOCACHE: join(work, 'cache'), ...env },
        inherits: true,
        logFile: join(folders.logs, `influx2-${name}.log`),
      })
    await step('module', ['mod', 'init', 'weir.local/influxd'])
    await step('get', ['get', '-tool', `${MODULE}@v${VERSION}`])
    await step('pkg-config', ['install', PKG_CONFIG], { GOBIN: bin })
    const output = join(bin, 'influxd')
    await step(
      'build',
      ['build', '-trimpath', `-ldflags=-s -w -X main.version=${VERSION}`, '-o', output, MODULE],
      {
        PATH: [bin, ...programFolders()].join(delimiter),
        RUSTFLAGS: '--cap-lints=warn',
        ...(toolchain !== undefined && { RUSTUP_TOOLCHAIN: toolchain }),
      },
    )
    renameSync(output, join(temporary, 'influxd'))
    chmodSync(join(temporary, 'influxd'), 0o755)
    rmSync(work, { recursive: true, force: true })
  })

export interface Influx2Server extends LocalServer {
  readonly token: string
  readonly org: string
  readonly bucket: string
}

/** InfluxDB 2, set up with one organisation, bucket and token, on an empty folder. */
export const startInflux2 = async (options: {
  readonly folders: Folders
  readonly port: number
}): Promise<Influx2Server> => {
  const { folders, port } = options
  const dataDir = join(folders.state, 'influx2')
  ensurePrivate(folders.state)
  ensurePrivate(dataDir)
  const child = startProcess(folders.run, {
    name: 'influx2',
    command: join(folder(), 'influxd'),
    args: [
      '--reporting-disabled',
      '--ui-disabled',
      '--log-level',
      'error',
      '--http-bind-address',
      `127.0.0.1:${port}`,
      '--bolt-path',
      join(dataDir, 'influxd.bolt'),
      '--sqlite-path',
      join(dataDir, 'influxd.sqlite'),
      '--engine-path',
      join(dataDir, 'engine'),
    ],
    logFile: join(folders.logs, 'influx2.log'),
  })
  const url = `http://127.0.0.1:${port}`
  await waitUntilReady(child, async () => (await fetch(`${url}/health`)).ok)
  const access = { org: 'default', bucket: 'cxone_metrics', token: randomBytes(16).toString('hex') }
  const body = JSON.stringify({ username: 'weir', password: randomBytes(16).toString('hex'), ...access })
  const answer = await fetch(`${url}/api/v2/setup`, { method: 'POST', body })
  if (answer.status !== 201) {
    await child.stop()
    throw new Error(`InfluxDB ${VERSION} answers its set-up with ${answer.status}`)
  }
  return { ...asServer(child, url), ...access }
}
