import { execFile } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ROOT } from '@weir/local-stack'
import { isolatedDatabase, testServers } from '@weir/testkit'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import {
  killAllOf,
  newHome,
  newPorts,
  npmRun,
  npmStart,
  pathOf,
  PORTS,
  processesOf,
  signal,
  untilNoneOf,
  type Env,
} from './npm-start.ts'

const hasProc = existsSync('/proc/self/environ')
if (!hasProc)
  process.stderr.write('npm start is not tested: without /proc its processes cannot be told from others\n')

interface Result {
  readonly [name: string]: unknown
  readonly unique: number
  readonly duplicates: number
  readonly influx: { readonly events_deduplicated: number } | null
}

const homes: string[] = []
const homeOf = (leaveOut?: RegExp): string => {
  const home = newHome(leaveOut)
  homes.push(home)
  return home
}

afterAll(async () => {
  for (const home of homes) {
    await killAllOf(home)
    rmSync(home, { recursive: true, force: true })
  }
})

const summaryOf = (home: string): Result =>
  JSON.parse(readFileSync(join(home, 'summary.json'), 'utf8')) as Result

/** Runs to the end and expects it to find everything right. */
const goodRun = async (
  home: string,
  args: readonly string[],
  env: Env,
): Promise<{ result: Result; output: string }> => {
  const file = join(home, 'summary.json')
  rmSync(file, { force: true })
  const run = npmStart(home, [...args, '--summary', file], env)
  const code = await run.exited
  expect([code, run.output()]).toEqual([0, expect.stringContaining('Every event is where it must be.')])
  const result = summaryOf(home)
  expect(result).toMatchObject({ ok: true, lost: 0, extra: 0, ledger_residue: 0, findings: [] })
  expect(await untilNoneOf(home)).toEqual([])
  return { result, output: run.output() }
}

describe.runIf(hasProc)('npm start with servers of its own', () => {
  let home = ''
  let ports: Env
  beforeAll(async () => {
    home = homeOf()
    ports = await newPorts()
  })
  // What a failed test has left running would fail the next one.
  afterEach(() => killAllOf(home))

  it('is killed whole in the middle of its run, and the next one finds every event', async () => {
    const killed = npmStart(home, ['--for', '600', '--rate', '100'], ports)
    await killed.until(/rows [1-9]\d{2,} /)

    const second = npmStart(home, [], ports)
    expect(await second.exited).toBe(2)
    expect(second.output()).toMatch(/Weir already runs here, as process \d+/)

    await killAllOf(home)
    const { result } = await goodRun(home, ['--no-simulator', '--for', '5'], ports)
    expect(result.unique).toBeGreaterThan(200)
    const { result: fresh } = await goodRun(home, ['--fresh', '--for', '3', '--rate', '50'], ports)
    expect(fresh.unique).toBeLessThan(200)
    // Four starts one after another, which take a while where other tests run.
  }, 480_000)

  it('is found by the weir command, and says goodbye with its numbers', async () => {
    const run = npmStart(home, ['--rate', '20'], ports)
    await run.until(/rows [1-9]\d+ /)
    const weir = (...args: string[]) =>
      promisify(execFile)('npm', ['run', '-s', 'weir', '--', ...args], {
        cwd: ROOT,
        env: { PATH: process.env.PATH, HOME: process.env.HOME, WEIR_HOME: home },
      })
    expect((await weir('partitions', 'ls')).stdout).toMatch(/^dedup +0 +running/m)
    expect((await weir('schema', 'ls')).stdout).toMatch(/^cxone /m)
    expect(JSON.parse((await weir('dlq', 'ls', 'dedup', '--json')).stdout)).toBeInstanceOf(Array)
    expect((await weir('shared-settings')).stdout).toMatch(/BODY_HASH_KEY/)
    await weir('topics')
    const refused = weir('schema', 'approve', 'cxone', '0123456789abcdef')
    await expect(refused).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/has no shape/) as string,
    })
    const second = npmRun(home, 'dev', ['normalizer'], {})
    await second.until(/Debugger listening on ws:\/\/127\.0\.0\.1:/)
    const port = /NORMALIZER_PROBE_PORT=(\d+)/.exec(second.output())![1]!
    expect(port).not.toBe(ports.NORMALIZER_PROBE_PORT)
    await vi.waitFor(async () => expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200), {
      timeout: 60_000,
    })
    signal(-second.pid, 'SIGINT')
    await second.exited
    signal(-run.pid, 'SIGINT')
    await run.until(/Until now: accepted [1-9]\d*.* rows [1-9]/)
    await run.exited
    expect(existsSync(join(home, 'run', 'environment.json'))).toBe(false)
    expect(await untilNoneOf(home)).toEqual([])
  })

  it('is not right when ingress refuses what the simulator sends', async () => {
    const sources = join(home, 'github-only.yaml')
    writeFileSync(sources, 'version: 1\nbuiltIn: false\nsources:\n  github: { preset: github }\n')
    const secrets = { SOURCES_FILE: sources, SOURCE_GITHUB_SECRETS: 'a secret of the tests' }
    const run = npmStart(home, ['--fresh', '--for', '3', '--rate', '20'], { ...ports, ...secrets })
    expect([await run.exited, run.output()]).toEqual([
      1,
      expect.stringMatching(/got status 404[^]*nothing was accepted[^]*NOT RIGHT/),
    ])
  })

  it('leaves nothing behind when Ctrl-C comes while its servers start', async () => {
    const run = npmStart(home, [], ports)
    await run.until(/PostgreSQL is ready/)
    signal(-run.pid, 'SIGINT')
    await run.until(/Stopping \(SIGINT\)/)
    await run.exited
    expect(await untilNoneOf(home)).toEqual([])
  })

  it('leaves nothing behind when it is killed and its servers are not', async () => {
    const run = npmStart(home, [], ports)
    await run.until(/Ready after/)
    expect(processesOf(home).length).toBeGreaterThan(5)
    signal(-run.pid, 'SIGKILL')
    expect(await untilNoneOf(home)).toEqual([])
  })
})

describe.runIf(hasProc)('npm start with given servers', () => {
  let given: Env
  beforeAll(() => {
    const { kafkaBrokers, registryUrl, influx } = testServers()
    given = {
      KAFKA_BROKERS: kafkaBrokers.join(','),
      SCHEMA_REGISTRY_URL: registryUrl,
      INFLUX_URL: influx?.url,
      INFLUX_TOKEN: influx?.token,
      INFLUX_ORG: influx?.org,
      INFLUX_BUCKET: influx?.bucket,
    }
  })

  it('starts none of them, and counts only its own among what others have left there', async () => {
    const shared = { ...given, DATABASE_URL: await isolatedDatabase('start') }
    for (const home of [homeOf(), homeOf()]) {
      const { result, output } = await goodRun(home, ['--for', '4', '--rate', '100'], {
        ...shared,
        ...(await newPorts()),
      })
      expect(result.unique).toBeGreaterThan(100)
      expect(output).not.toMatch(/Kafka is ready|PostgreSQL is ready/)
      const { influx } = result
      if (testServers().influx !== undefined) expect(influx?.events_deduplicated).toBe(result.duplicates)
    }
    const after = await fetch(`${given.SCHEMA_REGISTRY_URL!}/subjects`)
    expect(after.ok).toBe(true)
  })

  it.each(['SIGTERM', 'SIGKILL'] as const)('leaves nothing behind when npm alone gets %s', async (name) => {
    const home = homeOf()
    const own = { ...given, DATABASE_URL: await isolatedDatabase('start') }
    const run = npmStart(home, [], { ...own, ...(await newPorts()) })
    await run.until(/rows [1-9]/)
    signal(run.pid, name)
    expect(await untilNoneOf(home)).toEqual([])
  })

  it('says that InfluxDB is not checked where there is none and no Go to build it', async () => {
    const home = homeOf(/^influxdb/)
    const PATH = pathOf(home, ['node', 'npm', 'sh', 'env', 'java'])
    const DATABASE_URL = await isolatedDatabase('start')
    const env = { ...given, ...(await newPorts()), DATABASE_URL, INFLUX_URL: undefined, PATH }
    // Without a simulator either: nothing was ever sent here.
    const { result: nothing } = await goodRun(home, ['--no-simulator', '--for', '1'], env)
    expect(nothing.unique).toBe(0)
    const { result, output } = await goodRun(home, ['--for', '2'], env)
    expect(result.influx).toBeNull()
    expect(output).toMatch(/InfluxDB was not checked: there is neither Go to build InfluxDB nor INFLUX_URL/)
  })
})

describe.runIf(hasProc)('npm start that cannot start', () => {
  it('names the port that is taken and its variable', async () => {
    const ports = await newPorts()
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(Number(ports.POSTGRES_PORT), '127.0.0.1', resolve))
    const run = npmStart(homeOf(), [], ports)
    expect(await run.exited).toBe(2)
    expect(run.output()).toContain(`port ${ports.POSTGRES_PORT} (POSTGRES_PORT) is taken`)
    taken.close()
  })

  it('names the port that is used twice', async () => {
    const ports = await newPorts()
    const run = npmStart(homeOf(), [], { ...ports, INFLUX_PORT: ports.KAFKA_PORT })
    expect(await run.exited).toBe(2)
    expect(run.output()).toContain(`port ${ports.KAFKA_PORT} is used twice`)
  })

  it('says what to install when there is neither Java nor Docker', async () => {
    const home = homeOf()
    const env = {
      ...(await newPorts()),
      PATH: pathOf(home, ['node', 'npm', 'sh', 'env']),
      JAVA_HOME: undefined,
    }
    const run = npmStart(home, [], env)
    expect(await run.exited).toBe(2)
    expect(run.output()).toMatch(
      /To run on this machine, install a JDK or JRE of version 17 or later .*Docker/,
    )
    expect(run.output()).not.toMatch(/ at .*\.ts:\d+/)
  })

  it('says what is wrong with a setting', async () => {
    const run = npmStart(homeOf(), [], { ...(await newPorts()), KAFKA_PORT: 'many' })
    expect(await run.exited).toBe(2)
    expect(run.output()).toContain('KAFKA_PORT is "many": must be a whole number from 1 to 65535')
  })

  it('explains its options and ports', async () => {
    const run = npmStart(homeOf(), ['--help'], {})
    expect(await run.exited).toBe(0)
    const ports = [...run.output().matchAll(/\b([A-Z_]+_PORT) \d+/g)].map(([, name]) => name)
    expect(ports.sort()).toEqual([...PORTS].sort())
    for (const word of ['--for', '--rate', '--no-simulator', '--fresh', 'INGRESS_PORT 3000', 'KAFKA_BROKERS'])
      expect(run.output()).toContain(word)
  })

  it('refuses what it does not know', async () => {
    const run = npmStart(homeOf(), ['--rate', 'fast'], {})
    expect(await run.exited).not.toBe(0)
    expect(run.output()).toContain('must be a number from 0.1 to 100000')
  })
})
