import { spawn } from 'node:child_process'
import { childEnvironment } from '../local-stack/src/index.ts'

export interface RunOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Text for its stdin. */
  readonly input?: string
  /** Killed after this time. */
  readonly timeoutMs?: number
}

const LINES_SHOWN = 25

/** Runs a command without a shell; resolves to its stdout, rejects with its last lines unless it ends with 0. */
export const run = async (
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> => {
  const { cwd, env, input, timeoutMs } = options
  const child = spawn(command, args, {
    cwd,
    env: childEnvironment(env, true),
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  })
  let stdout = ''
  let both = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    both += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    both += text
  })
  child.stdin.on('error', () => undefined).end(input)
  const ended = await new Promise<number | string>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(code ?? signal ?? 1))
  })
  if (ended === 0) return stdout
  const last = both.trimEnd().split('\n').slice(-LINES_SHOWN).join('\n')
  throw new Error(`${[command, ...args].join(' ')} ended with ${ended}:\n${last}`)
}

/** Its output, or undefined when it cannot be run or fails. */
export const outputOf = (command: string, args: readonly string[], options?: RunOptions) =>
  run(command, args, { timeoutMs: 30_000, ...options }).catch(() => undefined)
