// Gets Node 24, pnpm and the dependencies on a machine that has only Node >= 20, then runs one command with them.
// Plain JavaScript on purpose: it runs on the system's Node, before anything is installed.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const NODE_VERSION = '24.21.0'
const PNPM_VERSION = '12.21.0'
const NODE_MINIMUM = [22, 22]

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const home = process.env.WEIR_HOME ?? join(root, '.weir')
const tools = join(home, 'tools')
const bin = join(tools, 'node_modules', '.bin')

const COMMANDS = {
  test: [['vitest', 'run']],
  check: [
    ['prettier', '--check', '.'],
    ['eslint', '.'],
    ['tsc', '-p', 'tsconfig.json'],
    ['depcruise', '--config', '.dependency-cruiser.mjs', 'packages', 'services'],
  ],
}

const progress = (text) => process.stderr.write(`weir: ${text}\n`)

const fail = (text) => {
  progress(text)
  process.exit(1)
}

const systemNodeFits = () => {
  const [major, minor] = process.versions.node.split('.').map(Number)
  return major > NODE_MINIMUM[0] || (major === NODE_MINIMUM[0] && minor >= NODE_MINIMUM[1])
}

const run = (command, args, options = {}) => {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', ...options })
  if (result.error) fail(`cannot run ${command}: ${result.error.message}`)
  if (result.status !== 0)
    fail(`${command} ${args.join(' ')} failed:\n${result.stdout ?? ''}${result.stderr ?? ''}`)
}

const installTools = () => {
  const wanted = [`pnpm@${PNPM_VERSION}`]
  if (!systemNodeFits()) wanted.push(`node-${process.platform}-${process.arch}@${NODE_VERSION}`)
  const stamp = join(tools, 'installed')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted.join(' ')) return
  progress(`getting ${wanted.join(' and ')}`)
  mkdirSync(tools, { recursive: true })
  run('npm', ['install', '--prefix', tools, '--no-save', '--no-audit', '--no-fund', ...wanted])
  writeFileSync(stamp, wanted.join(' '))
}

const environment = () => ({
  ...process.env,
  PATH: [join(root, 'node_modules', '.bin'), bin, process.env.PATH].join(delimiter),
  npm_config_nodedir: join(tools, 'node_modules', `node-${process.platform}-${process.arch}`),
})

const installDependencies = () => {
  const hash = createHash('sha256')
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml']) hash.update(readFileSync(join(root, file)))
  const fingerprint = hash.digest('hex')
  const stamp = join(root, 'node_modules', '.weir-installed')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint) return
  progress('installing dependencies')
  run(join(bin, 'pnpm'), ['install', '--frozen-lockfile'], { env: environment() })
  writeFileSync(stamp, fingerprint)
}

const runInherited = ([command, ...args]) =>
  new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, env: environment(), stdio: 'inherit' })
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
    child.on('error', (error) => fail(`cannot run ${command}: ${error.message}`))
    child.on('exit', (code, signal) => resolve(signal === null ? code : 1))
  })

const [name = '', ...args] = process.argv.slice(2)
const commands = COMMANDS[name]
if (commands === undefined) fail(`unknown command '${name}': give one of ${Object.keys(COMMANDS).join(', ')}`)
installTools()
installDependencies()
for (const command of commands) {
  const code = await runInherited([...command, ...args])
  if (code !== 0) process.exit(code)
}
