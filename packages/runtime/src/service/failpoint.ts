import { writeSync } from 'node:fs'
import { ConfigError, type Environment } from '../settings/config.ts'

/**
 * Points in the code at which a fault-injection run kills, pauses or breaks a process:
 * `FAILPOINT=name:kill:n[:ms],...`
 *
 *   name:kill:n[:ms]   sends itself SIGKILL at the n-th pass, or `ms` later
 *   name:pause:n:ms    stops the whole process for `ms` from the n-th pass, as between SIGSTOP and SIGCONT
 *   name:throw:n       throws a `FailpointError` at the n-th pass
 *   name:tell:n        only reports the n-th pass, so that a reader of stderr can act at that point
 *
 * Each fires once and writes a line of JSON to stderr. Only `runService` arms them, and only in the dev profile.
 */
type Action =
  | { readonly kind: 'kill'; readonly ms: number }
  | { readonly kind: 'pause'; readonly ms: number }
  | { readonly kind: 'throw' | 'tell' }

interface Armed {
  readonly name: string
  readonly action: Action
  readonly pass: number
  passes: number
}

/** Thrown by a failpoint on purpose. */
export class FailpointError extends Error {
  override readonly name = 'FailpointError'
}

const FORM = /^([a-z\d.-]+):(?:(kill):(\d+)(?::(\d+))?|(pause):(\d+):(\d+)|(throw|tell):(\d+))$/
/** Variables that no process may be started with outside the dev profile. */
const DEV_ONLY = ['FAILPOINT', 'WEIR_DEFECT'] as const

let armed: Armed[] = []

/** Whether any failpoint is armed, for hooks that would cost something to install. */
export const hasFailpoints = (): boolean => armed.length > 0

/** Marks a point of the code. Without FAILPOINT it costs one comparison. */
export const failpoint = (name: string): void => {
  if (armed.length > 0) pass(name)
}

/** Reads FAILPOINT once, at the start. Throws a `ConfigError` when it is malformed or set outside the dev profile. */
export const armFailpoints = (env: Environment): void => {
  for (const variable of DEV_ONLY) {
    if ((env[variable] ?? '') === '' || env.WEIR_PROFILE === 'dev') continue
    throw new ConfigError(
      `${variable} is set: it breaks the service on purpose, for fault injection. Unset it, or set WEIR_PROFILE=dev.`,
    )
  }
  const list = (env.FAILPOINT ?? '').split(',').filter((part) => part !== '')
  armed = list.map(parse)
}

const parse = (text: string): Armed => {
  const [, name, kill, killPass, killMs, pause, pausePass, pauseMs, other, otherPass] = FORM.exec(text) ?? []
  if (name === undefined) {
    throw new ConfigError(
      `FAILPOINT has ${JSON.stringify(text)}: give name:kill:n[:ms], name:pause:n:ms, name:throw:n or name:tell:n.`,
    )
  }
  const armedAt = (action: Action, nth: string | undefined) => ({
    name,
    action,
    pass: Number(nth),
    passes: 0,
  })
  if (kill !== undefined) return armedAt({ kind: 'kill', ms: Number(killMs ?? 0) }, killPass)
  if (pause !== undefined) return armedAt({ kind: 'pause', ms: Number(pauseMs) }, pausePass)
  return armedAt({ kind: other === 'tell' ? 'tell' : 'throw' }, otherPass)
}

const pass = (name: string): void => {
  const due: Armed[] = []
  for (const one of armed) {
    if (one.name !== name) continue
    one.passes += 1
    if (one.passes === one.pass) due.push(one)
  }
  for (const { action, pass: nth } of due) {
    // Writes to the descriptor directly, because a killed process flushes nothing.
    writeSync(2, `${JSON.stringify({ failpoint: name, action: action.kind, pass: nth, at: Date.now() })}\n`)
    fire(name, action)
  }
}

const fire = (name: string, action: Action): void => {
  switch (action.kind) {
    case 'kill':
      if (action.ms === 0) process.kill(process.pid, 'SIGKILL')
      else setTimeout(() => process.kill(process.pid, 'SIGKILL'), action.ms)
      return
    case 'pause':
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, action.ms)
      return
    case 'throw':
      throw new FailpointError(`failpoint ${name}`)
    case 'tell':
      return
  }
}
