#!/usr/bin/env node
// Gets what is needed to run the workspace on any Node >= 20, then hands over:
// node tools/bootstrap.mjs
// start|dev|service|test|check|weir|bench|faults|security|containers|release|sbom|test:e2e|testkit:pack [arguments]
// Only Node's own modules here, and no syntax newer than Node 20.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const HOME = resolve(process.env.WEIR_HOME ?? join(ROOT, '.weir'))
const TOOLS = join(HOME, 'tools')
const NODE_VERSION = '24.22.3'
const PNPM_VERSION = '12.21.0'

const COMMANDS = {
  // Behind -- no option is Node's own, such as --env-file.
  start: (args) => [['--', 'cli/src/main.ts', 'start', ...args]],
  weir: (args) => [['--', 'cli/src/main.ts', ...args]],
  dev: (args) => [['--', 'cli/src/main.ts', 'dev', ...args]],
  service: ([name, ...args]) => [[serviceMain(name), ...args]],
  containers: (args) => [['tools/containers/main.ts', ...args]],
  bench: (args) => [['bench/src/main.ts', ...args]],
  faults: (args) => [['--max-old-space-size=6144', 'tests/faults/src/main.ts', ...args]],
  security: (args) => [['tests/security/src/main.ts', ...args]],
  'test:e2e': (args) => [['tools/containers/e2e.ts', ...args]],
  'testkit:pack': (args) => [['tools/testkit/pack.ts', ...args]],
  release: (args) => [['tools/release.mjs', ...args]],
  sbom: () => [['tools/sbom.mjs', getPnpm()]],
  test: (args) => [['node_modules/vitest/vitest.mjs', 'run', ...args]],
  check: () => [
    ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'],
    ['node_modules/eslint/bin/eslint.js', '.'],
    ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'],
    [
      'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs',
      '--config',
      '.dependency-cruiser.mjs',
      'packages',
      'services',
      'cli',
      'verification',
      'tools',
      'tests',
      'bench',
    ],
    ['node_modules/knip/bin/knip.js', '--no-config-hints'],
  ],
}

const fail = (message, code = 1) => {
  process.stderr.write(`${message}\n`)
  process.exit(code)
}

/** What a service starts with: by itself a Node that is too old says only that it cannot load `.ts`. */
const serviceMain = (name = '') => {
  const names = readdirSync(join(ROOT, 'services'))
  if (!names.includes(name)) fail(`no service is called '${name}': use ${names.join(', ')}`, 2)
  return `services/${name}/src/main.ts`
}

const progress = (message) => process.stderr.write(`${message}\n`)

const nodeFits = (version) => {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > 22 || (major === 22 && minor >= 22)
}

/** npm as `node npm-cli.js`: what runs us, or what lies beside this Node. */
const findNpm = () => {
  const beside = join(dirname(process.execPath), '..', 'lib/node_modules/npm/bin/npm-cli.js')
  const candidates = [process.env.npm_execpath ?? '', beside, '/usr/share/nodejs/npm/bin/npm-cli.js']
  const found = candidates.find((file) => /npm-cli\.c?js$/.test(file) && existsSync(file))
  return found === undefined ? { command: 'npm', args: [] } : { command: process.execPath, args: [found] }
}

/**
 * Installs one npm package into a folder of its own. Two at the same time do not clash: the later one's copy is
 * dropped.
 */
const fetchTool = (name, version) => {
  const folder = join(TOOLS, `${name}-${version}`)
  if (existsSync(folder)) return folder
  progress(`Getting ${name} ${version}`)
  const temporary = `${folder}.tmp-${process.pid}`
  mkdirSync(temporary, { recursive: true })
  const npm = findNpm()
  const result = spawnSync(
    npm.command,
    [
      ...npm.args,
      'install',
      '--prefix',
      temporary,
      '--no-save',
      '--no-audit',
      '--no-fund',
      `${name}@${version}`,
    ],
    { cwd: temporary, stdio: ['ignore', 'pipe', 'inherit'] },
  )
  if (result.status !== 0) {
    rmSync(temporary, { recursive: true, force: true })
    fail(`npm could not install ${name}@${version}; its message is above`)
  }
  try {
    renameSync(temporary, folder)
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true })
    if (!existsSync(folder)) throw error
  }
  return folder
}

const getNode = () => {
  if (nodeFits(process.versions.node)) return process.execPath
  const name = `node-${process.platform}-${process.arch}`
  return join(fetchTool(name, NODE_VERSION), 'node_modules', name, 'bin', 'node')
}

const getPnpm = () => {
  const folder = join(fetchTool('pnpm', PNPM_VERSION), 'node_modules', 'pnpm')
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return join(folder, typeof bin === 'string' ? bin : bin.pnpm)
}

/** The parent of a process; undefined where /proc does not tell. */
const parentOf = (pid) => {
  try {
    // The name in brackets may hold anything: the fields are counted from its end.
    return readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ')[1]
  } catch {
    return undefined
  }
}

/**
 * Our parent's death must end us, even by SIGKILL: then nobody else would stop what we started. npm puts a shell
 * between itself and us, which outlives it, so the shell's parent counts as well.
 */
const onParentDeath = (action) => {
  const parent = process.ppid
  const grandparent = process.env.npm_lifecycle_event === undefined ? undefined : parentOf(parent)
  const watch = setInterval(() => {
    if (process.ppid === parent && (grandparent === undefined || parentOf(parent) === grandparent)) return
    clearInterval(watch)
    action()
  }, 500)
  watch.unref()
}

let current
const forward = (signal) => current?.kill(signal)
process.on('SIGINT', () => forward('SIGINT'))
process.on('SIGTERM', () => forward('SIGTERM'))
process.on('SIGHUP', () => forward('SIGTERM'))
onParentDeath(() => forward('SIGTERM'))

/** Runs to the end with our terminal; resolves to the exit code. */
const run = (node, args) =>
  new Promise((done, reject) => {
    current = spawn(node, args, {
      cwd: ROOT,
      stdio: 'inherit',
      env: {
        ...process.env,
        WEIR_HOME: HOME,
        // Types are stripped and code is compiled once, not in each process: its modules load in a third of the time.
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(HOME, 'compile-cache'),
        PATH: [dirname(node), join(ROOT, 'node_modules', '.bin'), process.env.PATH ?? ''].join(delimiter),
      },
    })
    current.once('error', reject)
    current.once('exit', (code, signal) => done(code ?? (signal === 'SIGINT' ? 130 : 143)))
  })

const [command = 'start', ...args] = process.argv.slice(2)
if (!Object.hasOwn(COMMANDS, command))
  fail(`unknown command ${command}: use ${Object.keys(COMMANDS).join(', ')}`)
const node = getNode()
const installed = await run(node, ['tools/local-stack/src/install-main.ts', getPnpm()])
if (installed !== 0) process.exit(installed)
let worst = 0
for (const step of COMMANDS[command](args)) worst = Math.max(worst, await run(node, step))
process.exit(worst)
