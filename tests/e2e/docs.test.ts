import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ROOT } from '@weir/local-stack'
import { blocksOf, commandsOf, documents, readDocument, type DocumentedCommand } from '@weir/testkit'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { DOCUMENTED, titleOf, treatmentOf, type Treatment } from './documented.ts'
import { killAllOf, newHome, newPorts, npmStart } from './npm-start.ts'

const COMMAND_MS_MAX = 60_000
const ASK_MS_MAX = 45_000
const ASK_AGAIN_MS = 500
const LANGUAGES = new Set(['sh', 'text', 'json', 'yaml', 'env', 'ini', 'http', 'mermaid', 'sql', 'ts'])

interface Step {
  readonly command: DocumentedCommand
  readonly treatment: Treatment
}

const pages = documents().filter((file) => commandsOf(file).length > 0)
const steps: readonly Step[] = Object.keys(DOCUMENTED).flatMap((file) =>
  commandsOf(file).flatMap((command, index) => {
    const treatment = treatmentOf(command, index)
    return treatment === undefined ? [] : [{ command, treatment }]
  }),
)

describe('the commands of the documents', () => {
  it.each(Object.keys(DOCUMENTED))('are in the table as they are in %s, each one', (file) => {
    const commands = commandsOf(file)
    const unknown = commands.filter((command, index) => treatmentOf(command, index) === undefined)
    expect(unknown.map(titleOf), 'in the page, and not at this place of documented.ts').toEqual([])
    expect(commands.length, 'rows of documented.ts').toBe(DOCUMENTED[file]!.length)
  })

  it('are on no page that the table does not have', () => {
    expect(pages.filter((file) => DOCUMENTED[file] === undefined)).toEqual([])
  })

  it('are in blocks that say what they hold', () => {
    const unmarked = documents().flatMap((file) =>
      blocksOf(readDocument(file))
        .filter(({ info }) => !LANGUAGES.has(info.split(' ')[0]!))
        .map(({ info, text }) => `${file}: \`\`\`${info} ${text.split('\n')[0]}`),
    )
    expect(unmarked, `write ${[...LANGUAGES].join(', ')}`).toEqual([])
  })
})

/** The settings that the starts of all pages give: one start has them all. */
const settingsOfStarts = (home: string): Record<string, string> => {
  const settings: Record<string, string> = {}
  for (const { command } of steps.filter(({ treatment }) => treatment.kind === 'start')) {
    for (const [, name = '', value = ''] of command.text.matchAll(/\b([A-Z_]+)=(\S+)/g)) {
      expect(settings[name] ?? value, `${name} in ${command.file}`).toBe(value)
      settings[name] = value
    }
  }
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [name, value.replace(/^\.weir\//, `${home}/`)]),
  )
}

/** `…` in a page stands for whatever is there. */
const matchesText = (shown: string, printed: string): boolean => {
  const plain = (text: string): string => text.trim().replaceAll(/[ \t]+/g, ' ')
  const pattern = plain(shown)
    .split('…')
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('[^]*')
  return new RegExp(`^${pattern}$`).test(plain(printed))
}

const withAny = (shown: unknown): unknown => {
  if (shown === '…') return expect.anything() as unknown
  if (Array.isArray(shown)) return shown.map(withAny)
  if (typeof shown !== 'object' || shown === null) return shown
  return Object.fromEntries(Object.entries(shown).map(([name, value]) => [name, withAny(value)]))
}

const expectShown = (shown: string, printed: string): void => {
  if (shown.startsWith('{')) expect(JSON.parse(printed)).toEqual(withAny(JSON.parse(shown)))
  else if (!matchesText(shown, printed)) expect(printed).toBe(shown)
}

const hasProc = existsSync('/proc/self/environ')
describe.runIf(hasProc)('a newcomer who does what the documents say', () => {
  let home = ''
  let folder = ''
  let ports: Awaited<ReturnType<typeof newPorts>>
  beforeAll(async () => {
    home = newHome()
    // Files that a command writes do not end up among the sources.
    folder = mkdtempSync(join(tmpdir(), 'weir-docs-'))
    for (const name of ['package.json', 'tools']) symlinkSync(join(ROOT, name), join(folder, name))
    ports = await newPorts()
  })
  afterAll(async () => {
    await killAllOf(home)
    for (const one of [home, folder]) rmSync(one, { recursive: true, force: true })
  })

  /** The default ports and the folder of a clone may be taken here. */
  const here = (text: string): string =>
    text
      .replaceAll('127.0.0.1:3000', `127.0.0.1:${ports.INGRESS_PORT}`)
      .replaceAll('127.0.0.1:3001', `127.0.0.1:${ports.CONSOLE_PORT}`)
      .replaceAll('127.0.0.1:15432', `127.0.0.1:${ports.POSTGRES_PORT}`)
      .replaceAll(/(^|\s)\.weir\//g, `$1${home}/`)
      .replaceAll('=.weir/', `=${home}/`)
      .replaceAll('@.weir/', `@${home}/`)

  const bash = (lines: readonly string[]): Promise<string> =>
    new Promise((resolve, reject) => {
      const { PATH, HOME, JAVA_HOME } = process.env
      const child = execFile(
        'bash',
        ['--norc', '-euo', 'pipefail', '-c', here(lines.join('\n'))],
        { cwd: folder, timeout: COMMAND_MS_MAX, env: { PATH, HOME, JAVA_HOME, WEIR_HOME: home } },
        (error, stdout, stderr) => {
          if (error === null) resolve(stdout)
          else reject(new Error(`${error.message}\n${stdout}${stderr}`, { cause: error }))
        },
      )
      child.stdin?.end()
    })

  const doAsShown = async ({ text, setup, output }: DocumentedCommand): Promise<void> => {
    const printed = await bash([...setup, text])
    if (output !== undefined) expectShown(output, printed)
  }

  /** Repeats the request until the response is the documented one. Throws the last difference. */
  const ask = async (command: DocumentedCommand): Promise<void> => {
    const deadline = performance.now() + ASK_MS_MAX
    for (;;) {
      try {
        await doAsShown(command)
        return
      } catch (error) {
        if (performance.now() > deadline) throw error
        await sleep(ASK_AGAIN_MS)
      }
    }
  }

  const carryOut = async ({ command, treatment }: Step): Promise<void> => {
    if (treatment.kind === 'ask') return ask(command)
    if (treatment.kind !== 'instead') return doAsShown(command)
    await bash([treatment.command])
  }

  /** What went wrong, of all of them: one page seldom needs what another one has done. */
  const inOrder = async (kinds: readonly Treatment['kind'][]): Promise<readonly string[]> => {
    const failures: string[] = []
    for (const step of steps.filter(({ treatment }) => kinds.includes(treatment.kind))) {
      await carryOut(step).catch((error: unknown) => {
        failures.push(`${step.command.file}: ${titleOf(step.command)}\n${(error as Error).message}`)
      })
    }
    return failures
  }

  it('sees what they show, from the first page to the last', async () => {
    for (const { command, treatment } of steps)
      if (treatment.kind === 'not')
        process.stdout.write(`not run: ${command.file}: ${titleOf(command)} (${treatment.why})\n`)
    expect(await inOrder(['before'])).toEqual([])
    // Another try has to start again.
    onTestFinished(() => killAllOf(home))
    const start = npmStart(home, ['--no-simulator'], { ...ports, ...settingsOfStarts(home) })
    await start.until(/Ready after/)
    expect(await inOrder(['run', 'ask', 'instead'])).toEqual([])
  }, 240_000)
})
