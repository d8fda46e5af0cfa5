import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { freePorts, isPortFree, ROOT } from '@weir/local-stack'
import type { Environment, Settings } from '@weir/runtime'
import { Argument, type Command } from 'commander'
import { ALL_SERVICES } from '../all-services.ts'
import { environment } from '../config.ts'
import { progress } from '../output.ts'

const DEBUGGER_PORT = 9229
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

const freePort = async (wanted: number): Promise<number> =>
  (await isPortFree(wanted)) ? wanted : (await freePorts(1))[0]!

/**
 * The settings of a second process of a service: those of the first, with free ports and folders of its own, because
 * two processes cannot share them.
 */
export const secondProcess = async (settings: Settings, env: Environment): Promise<Environment> => {
  const changed: Record<string, string> = {}
  for (const { env: name } of Object.values(settings)) {
    const value = env[name] ?? ''
    if (name.endsWith('_PORT') && value !== '') changed[name] = String(await freePort(Number(value)))
    if (name.endsWith('_DIR') && value !== '') changed[name] = `${value}-dev`
  }
  return { ...env, ...changed }
}

const runDev = async (name: string): Promise<number> => {
  const { settings, loadConfig } = ALL_SERVICES.find((service) => service.name === name)!
  const env = await secondProcess(settings, environment())
  // Unusable settings end the command now, because `--watch` would wait for a change of the code.
  loadConfig(env)
  const port = await freePort(DEBUGGER_PORT)
  for (const { env: setting } of Object.values(settings)) {
    if (/_(PORT|DIR)$/.test(setting) && env[setting] !== undefined) progress(`${setting}=${env[setting]}`)
  }
  const main = `services/${name}/src/main.ts`
  const flags = ['--watch', '--watch-preserve-output', `--inspect=127.0.0.1:${port}`]
  const child = spawn(process.execPath, [...flags, main], { cwd: ROOT, env, stdio: 'inherit' })
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal))
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 0
}

export const addDevCommand = (program: Command): void => {
  program
    .command('dev')
    .description(
      'Runs one service with a debugger beside a running `npm start`, and restarts it when its code changes.',
    )
    .addArgument(new Argument('<service>').choices(ALL_SERVICES.map(({ name }) => name)))
    .addHelpText(
      'after',
      `
The service takes its settings and tokens from that \`npm start\`, and its share of the partitions. Where a port is
taken, it listens on a free one. Its folders are its own: \`-dev\` is added to their names.`,
    )
    .action(async (name: string) => {
      process.exitCode = await runDev(name)
    })
}
