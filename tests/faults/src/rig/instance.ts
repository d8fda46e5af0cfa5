import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { backOffMs, type ServiceName } from '@weir/contracts'
import { startProcess, type ChildExit, type Folders, type LocalProcess } from '@weir/local-stack'

/** Why a process ended: killed from outside, by its failpoint, because we asked it to stop, or by itself. */
export type EndCause = 'killed' | 'failpoint' | 'asked' | 'itself'

export interface Ended {
  readonly instance: string
  readonly cause: EndCause
  readonly exit: ChildExit
  readonly livedMs: number
  readonly logFile: string
}

/** A line that a failpoint wrote when it fired. */
export interface Fired {
  readonly failpoint: string
  readonly action: 'kill' | 'pause' | 'throw' | 'tell'
  readonly pass: number
}

interface Incarnation {
  readonly process: LocalProcess
  readonly startedAt: number
  cause: EndCause
}

const BACK_OFF = { firstMs: 250, maxMs: 5_000 }
/** A process that lived this long did not fail at its start. */
const SETTLED_MS = 10_000

/** One instance of a service: a process that is started again, with back-off, whenever it ends. */
export class Instance {
  readonly name: string
  readonly kind: ServiceName
  readonly ends: Ended[] = []
  readonly #folders: Folders
  readonly #command: readonly string[]
  readonly #env: Readonly<Record<string, string | undefined>>
  readonly #readyUrl: string
  #current: Incarnation | undefined
  #next: Readonly<Record<string, string>> = {}
  #count = 0
  #stopped = false
  #running: Promise<void> = Promise.resolve()

  constructor(options: {
    readonly kind: ServiceName
    readonly index: number
    readonly folders: Folders
    /** Arguments of node. */
    readonly command: readonly string[]
    readonly env: Readonly<Record<string, string | undefined>>
    readonly port: number
  }) {
    this.kind = options.kind
    this.name = `${options.kind}-${options.index}`
    this.#folders = options.folders
    this.#command = options.command
    this.#env = options.env
    this.#readyUrl = `http://127.0.0.1:${options.port}/readyz`
  }

  /** undefined while it is down. */
  get pid(): number | undefined {
    return this.#current?.process.pid
  }

  /** How many processes it has had: a new one has a new number. */
  get incarnation(): number {
    return this.#count
  }

  /** Also after `stop`. */
  start(): void {
    this.#stopped = false
    this.#running = this.#supervise()
  }

  /** It is to run: started, and not stopped. */
  get isWanted(): boolean {
    return this.#count > 0 && !this.#stopped
  }

  /** SIGKILL; does nothing while it is down. */
  kill(): void {
    this.#end('killed', 'SIGKILL')
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#current?.process.kill(signal)
  }

  /** Stopped for a time, if it is still the same process: its clock goes on, and so does the world. */
  async freeze(ms: number): Promise<void> {
    const frozen = this.#current?.process
    frozen?.kill('SIGSTOP')
    await sleep(ms)
    frozen?.kill('SIGCONT')
  }

  /** Why the instance is not ready, by its probe; empty when the probe does not respond. */
  async readiness(): Promise<string> {
    try {
      return await (await fetch(this.#readyUrl, { signal: AbortSignal.timeout(2_000) })).text()
    } catch {
      return ''
    }
  }

  /** Ends the process, by SIGKILL or as an operator would; the next one has these failpoints, and only it. */
  restartWith(failpoints: string, how: 'SIGKILL' | 'SIGTERM'): void {
    // Only the development profile takes failpoints.
    this.#next = { FAILPOINT: failpoints, WEIR_PROFILE: 'dev' }
    this.#end(how === 'SIGKILL' ? 'killed' : 'asked', how)
  }

  /** The lines of the failpoints that have fired in an incarnation so far. */
  fired(incarnation: number): readonly Fired[] {
    let text: string
    try {
      text = readFileSync(this.#logFile(incarnation), 'utf8')
    } catch {
      return []
    }
    return text
      .split('\n')
      .flatMap((line) => (line.startsWith('{"failpoint"') ? [JSON.parse(line) as Fired] : []))
  }

  async isReady(): Promise<boolean> {
    if (this.#current === undefined) return false
    try {
      return (await fetch(this.#readyUrl, { signal: AbortSignal.timeout(2_000) })).ok
    } catch {
      return false
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.signal('SIGCONT')
    this.#end('asked', 'SIGTERM')
    const timer = setTimeout(() => this.#current?.process.kill('SIGKILL'), 30_000)
    await this.#running
    clearTimeout(timer)
  }

  #end(cause: EndCause, signal: NodeJS.Signals): void {
    if (this.#current === undefined) return
    this.#current.cause = cause
    this.#current.process.kill(signal)
  }

  #logFile(incarnation: number): string {
    return join(this.#folders.logs, `${this.name}.${incarnation}.log`)
  }

  async #supervise(): Promise<void> {
    for (let failures = 0; !this.#stopped;) {
      const incarnation = this.#launch()
      const exit = await incarnation.process.exited
      const livedMs = performance.now() - incarnation.startedAt
      this.#current = undefined
      const { cause, process } = incarnation
      const hasFired = this.fired(this.#count).some(({ action }) => action === 'kill')
      this.ends.push({
        instance: this.name,
        exit,
        livedMs,
        logFile: process.logFile,
        cause: cause === 'itself' && exit.signal === 'SIGKILL' && hasFired ? 'failpoint' : cause,
      })
      failures = livedMs > SETTLED_MS || cause === 'asked' ? 0 : failures + 1
      if (!this.#isStopped()) await sleep(backOffMs(failures + 1, BACK_OFF))
    }
  }

  #launch(): Incarnation {
    this.#count += 1
    const env = { ...this.#env, ...this.#next }
    this.#next = {}
    const child = startProcess(this.#folders.run, {
      name: this.name,
      command: process.execPath,
      args: this.#command,
      env,
      cwd: this.#folders.state,
      logFile: this.#logFile(this.#count),
    })
    this.#current = { process: child, startedAt: performance.now(), cause: 'itself' }
    return this.#current
  }

  #isStopped(): boolean {
    return this.#stopped
  }
}
