import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { fromEnvironment } from '@weir/local-stack'

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const ROOT = new URL('../../../', import.meta.url)
const ENDED_MS_MAX = 120_000

/** Runs a program of Weir, such as `cli/src/main.ts`, with nothing of the caller's environment, to its end. */
export const runWeir = async (
  main: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Ended> => {
  const child = spawn(process.execPath, [fileURLToPath(new URL(main, ROOT)), ...args], {
    cwd: fileURLToPath(ROOT),
    timeout: ENDED_MS_MAX,
    killSignal: 'SIGKILL',
    env: { PATH: fromEnvironment('PATH'), HOME: fromEnvironment('HOME'), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const texts = [child.stdout, child.stderr].map(async (stream) => {
    const chunks: Buffer[] = []
    for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk)
    return Buffer.concat(chunks).toString()
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve)
  })
  const [stdout = '', stderr = ''] = await Promise.all(texts)
  return { code, stdout, stderr }
}
