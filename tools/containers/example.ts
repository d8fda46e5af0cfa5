import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { childEnvironment } from '../local-stack/src/index.ts'
import { run } from './run.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const INSTALL_MS_MAX = 300_000
const TEST_MS_MAX = 600_000

type Env = Readonly<Record<string, string>>

/**
 * Tests examples/own-configuration as the project of somebody else: elsewhere, with the packed testkit and nothing of
 * this clone. `env` names the engine and the images. Resolves to the exit code of its tests.
 */
export const testExample = async (env: Env, report: readonly string[]): Promise<number> => {
  const folder = await mkdtemp(join(tmpdir(), 'weir-example-'))
  try {
    await cp(join(ROOT, 'examples/own-configuration'), folder, {
      recursive: true,
      filter: (path) => !path.includes('node_modules'),
    })
    const packed = await run(process.execPath, ['tools/testkit/pack.ts'], {
      cwd: ROOT,
      timeoutMs: INSTALL_MS_MAX,
    })
    const quiet = ['--no-package-lock', '--no-audit', '--no-fund']
    await run('npm', ['install', ...quiet, `@weir/testkit@file:${packed.trim()}`], {
      cwd: folder,
      timeoutMs: INSTALL_MS_MAX,
    })
    const child = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...report], {
      cwd: folder,
      stdio: 'inherit',
      timeout: TEST_MS_MAX,
      env: childEnvironment({ ...env, TEST_ENVIRONMENT: 'containers' }, true),
    })
    const [code] = (await once(child, 'exit')) as [number | null]
    return code ?? 1
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
