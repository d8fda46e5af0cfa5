import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFailed } from 'vitest'
import { childEnvironment, freePorts, programFolders, ROOT, weirHome } from '@weir/local-stack'

export const PORTS = [
  'INGRESS_PORT',
  'KAFKA_PORT',
  'KAFKA_CONTROLLER_PORT',
  'REGISTRY_PORT',
  'POSTGRES_PORT',
  'INFLUX_PORT',
  'DEDUP_PROBE_PORT',
  'NORMALIZER_PROBE_PORT',
  'PERSISTENCE_PROBE_PORT',
  'METRIC_EXPORT_PROBE_PORT',
  'SIMULATOR_PROBE_PORT',
  'CONSOLE_PORT',
  'REPLAY_PORT',
] as const
const GIVEN = ['KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL', 'DATABASE_URL', 'INFLUX_URL'] as const
const LOOK_MS = 100
const UNTIL_MS_MAX = 90_000
const OUTPUT_SHOWN = 4_000

export type Env = Readonly<Record<string, string | undefined>>

/** A WEIR_HOME of its own; what was downloaded is shared, but for names that `leaveOut` matches. */
export const newHome = (leaveOut = /^$/): string => {
  const home = mkdtempSync(join(tmpdir(), 'weir-start-'))
  for (const folder of ['tools', 'downloads']) {
    mkdirSync(join(weirHome(), folder), { recursive: true })
    mkdirSync(join(home, folder))
    for (const name of readdirSync(join(weirHome(), folder))) {
      if (!leaveOut.test(name)) symlinkSync(join(weirHome(), folder, name), join(home, folder, name))
    }
  }
  return home
}

/** Ports that nothing uses, by the names of the settings. */
export const newPorts = async (): Promise<Record<(typeof PORTS)[number], string>> => {
  const ports = await freePorts(PORTS.length)
  return Object.fromEntries(PORTS.map((name, i) => [name, String(ports[i])])) as never
}

/** A folder for PATH with only these programs in it. */
export const pathOf = (home: string, programs: readonly string[]): string => {
  const folder = join(home, 'bin')
  mkdirSync(folder, { recursive: true })
  const path = programFolders()
  for (const program of programs) {
    const found = path.find((one) => entriesOf(one).includes(program))
    if (found !== undefined) symlinkSync(join(found, program), join(folder, program))
  }
  return folder
}

const entriesOf = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/**
 * Every process that has this WEIR_HOME in its environment: all that a start there has begun, whoever its parent is
 * now.
 */
export const processesOf = (home: string): readonly number[] =>
  readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const environment = readFileSync(`/proc/${name}/environ`, 'latin1').split('\0')
      return environment.includes(`WEIR_HOME=${home}`) ? [Number(name)] : []
    } catch {
      return []
    }
  })

export const killAllOf = async (home: string): Promise<void> => {
  for (let pids = processesOf(home); pids.length > 0; pids = processesOf(home)) {
    for (const pid of pids) signal(pid, 'SIGKILL')
    await sleep(LOOK_MS)
  }
}

/** Resolves once none is left; the names of those that are left after `msMax`. */
export const untilNoneOf = async (home: string, msMax = 60_000): Promise<readonly string[]> => {
  const deadline = performance.now() + msMax
  while (processesOf(home).length > 0 && performance.now() < deadline) await sleep(LOOK_MS)
  return processesOf(home).map((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ')
    } catch {
      return String(pid)
    }
  })
}

/** Negative: of a process group. */
export const signal = (pid: number, name: NodeJS.Signals): void => {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

export interface NpmRun {
  /** Of npm, which leads a process group, as a shell would start it. */
  readonly pid: number
  /** Both streams, as they came. */
  output(): string
  readonly exited: Promise<number | null>
  /** Resolves once the output matches; rejects when it ends before. */
  until(pattern: RegExp): Promise<RegExpExecArray>
}

/** `npm start -- <args>`, as a user types it. */
export const npmStart = (home: string, args: readonly string[], env: Env): NpmRun =>
  npmRun(home, 'start', args, env)

/** `npm run <script> -- <args>`. Only `env` names servers, and nothing else of this environment. */
export const npmRun = (home: string, script: string, args: readonly string[], env: Env): NpmRun => {
  const title = `npm run ${script} ${args.join(' ')}`
  const unset = Object.fromEntries(GIVEN.map((name) => [name, undefined]))
  const child = spawn('npm', ['run', script, '--', ...args], {
    cwd: ROOT,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: childEnvironment({ ...unset, WEIR_HOME: home, ...env }, true),
  })
  let output = ''
  let hasEnded = false
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  onTestFailed(() => {
    process.stderr.write(`${title} has said:\n${output.slice(-OUTPUT_SHOWN)}\n`)
  })
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      hasEnded = true
      resolve(code)
    })
  })
  return {
    pid: child.pid!,
    output: () => output,
    exited,
    until: async (pattern) => {
      const deadline = performance.now() + UNTIL_MS_MAX
      for (;;) {
        const ended = hasEnded
        const match = pattern.exec(output)
        if (match) return match
        const late = performance.now() > deadline
        if (ended || late) {
          throw new Error(`${title} ${late ? 'runs' : 'has ended'} without ${pattern.source}:\n${output}`)
        }
        await sleep(LOOK_MS)
      }
    },
  }
}
