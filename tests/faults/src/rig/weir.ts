import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { childEnvironment, ROOT } from '@weir/local-stack'
import { instanceEnvironment } from './layout.ts'

const run = promisify(execFile)
const MS_MAX = 120_000

/** The `weir` command, as an operator of this rig would call it. */
export const runWeir = async (
  where: Parameters<typeof instanceEnvironment>[2],
  args: readonly string[],
): Promise<string> => {
  const env = childEnvironment(instanceEnvironment('dedup', 1, where), true)
  const file = join(ROOT, 'cli/src/main.ts')
  const { stdout } = await run(process.execPath, [file, ...args], { env, timeout: MS_MAX })
  return stdout
}
