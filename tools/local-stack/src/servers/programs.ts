import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { javaHome } from '../config.ts'

const execute = promisify(execFile)
export const JAVA_MAJOR_MIN = 17

/** The output of a short command, or undefined when it cannot be run or fails. */
const outputOf = async (command: string, args: readonly string[]): Promise<string | undefined> => {
  try {
    const { stdout, stderr } = await execute(command, [...args], { timeout: 30_000 })
    return stdout + stderr
  } catch {
    return undefined
  }
}

/** `java` of JAVA_HOME or the path, or undefined when there is none of version 17 or later. */
export const findJava = async (): Promise<string | undefined> => {
  const home = javaHome()
  const java = home === undefined ? 'java' : join(home, 'bin', 'java')
  const version = /version "(\d+)/.exec((await outputOf(java, ['-version'])) ?? '')?.[1]
  return version !== undefined && Number(version) >= JAVA_MAJOR_MIN ? java : undefined
}

export const hasMaven = async (): Promise<boolean> => (await outputOf('mvn', ['-version'])) !== undefined
export const hasGo = async (): Promise<boolean> => (await outputOf('go', ['version'])) !== undefined
export const hasCargo = async (): Promise<boolean> => (await outputOf('cargo', ['--version'])) !== undefined

/** Name of the toolchain that rustup would use here; a build elsewhere must be told. undefined: there is no rustup. */
export const activeRustToolchain = async (): Promise<string | undefined> =>
  (await outputOf('rustup', ['show', 'active-toolchain']))?.split(/\s/)[0]

/** True when `docker compose` exists and an engine answers. */
export const hasDockerCompose = async (): Promise<boolean> =>
  (await outputOf('docker', ['compose', 'version'])) !== undefined &&
  (await outputOf('docker', ['info', '--format', '{{.ServerVersion}}'])) !== undefined
