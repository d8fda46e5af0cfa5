// Installs the workspace's dependencies when the lockfile has changed since the last time. Runs before they are there,
// so it imports nothing but Node's own modules and this folder's.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { weirHome } from './config.ts'
import { folders, ROOT } from './folders.ts'
import { withLock } from './processes/lock.ts'
import { runToEnd } from './processes/process.ts'

const [pnpm = 'pnpm'] = process.argv.slice(2)
const { logs, run } = folders(weirHome())
const stamp = join(ROOT, 'node_modules', '.weir-installed')

const fingerprint = (): string => {
  const hash = createHash('sha256')
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml']) hash.update(readFileSync(join(ROOT, file)))
  return hash.digest('hex')
}

const isInstalled = (): boolean => existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint()

const install = async (): Promise<void> => {
  if (isInstalled()) return
  process.stderr.write('Installing dependencies\n')
  await runToEnd(run, {
    name: 'install',
    command: pnpm,
    args: ['install', '--frozen-lockfile'],
    cwd: ROOT,
    // Without CI pnpm may ask a question, and nobody would answer it.
    env: { CI: 'true' },
    inherits: true,
    logFile: join(logs, 'install.log'),
  })
  writeFileSync(stamp, fingerprint())
}

try {
  if (!isInstalled()) await withLock(join(run, 'install.lock'), install)
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exitCode = 1
}
