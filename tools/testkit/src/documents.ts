import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '@weir/local-stack'

/** A command of a document, as a reader would paste it. */
export interface DocumentedCommand {
  /** Relative to the repository. */
  readonly file: string
  /** Without a comment behind it. May have several lines. */
  readonly text: string
  /** What the document sets in a shell before it: variables and functions. */
  readonly setup: readonly string[]
  /** What the document says that it prints, where the block after it is marked `output`. */
  readonly output?: string | undefined
}

interface Block {
  /** What is behind the fence: the language, and `output` where the commands before it print this. */
  readonly info: string
  readonly text: string
}

/** Every page that tells somebody to do something. Decisions tell what was decided. */
const PAGES = ['README.md', 'ARCHITECTURE.md', 'docs/**/*.md', 'services/*/README.md', 'deploy/**/*.md']
const FENCE = /^( *)```([^`\n]*)\n([^]*?)^ *```$/gm
const VALUE = /(?:'[^']*'|"(?:\\.|\$\((?:[^()]|\([^()]*\))*\)|[^"\\])*"|\$\((?:[^()]|\([^()]*\))*\)|[^\s'"])*/
const ASSIGNMENTS = new RegExp(`^(?:[A-Za-z_]\\w*=${VALUE.source}\\s*)+$`)
const FUNCTION = /^\w+\(\) *\{/
const COMMENT = /\s+# .*$/

export const documents = (): readonly string[] =>
  globSync(PAGES, {
    cwd: ROOT,
    exclude: (name) => name.includes('node_modules') || name.includes('decisions'),
  }).sort()

export const readDocument = (file: string): string => readFileSync(join(ROOT, file), 'utf8')

export const blocksOf = (markdown: string): readonly Block[] =>
  [...markdown.matchAll(FENCE)].map(([, indent = '', info = '', text = '']) => ({
    info: info.trim(),
    // A block in a list is indented like its item.
    text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  }))

/** Whether a shell would wait for more: a quote, a function or a here-document is open. */
const isUnfinished = (text: string): boolean => {
  if (text.trimEnd().endsWith('\\')) return true
  const { status, stderr } = spawnSync('bash', ['-n'], { input: text, encoding: 'utf8' })
  return status !== 0 || stderr !== ''
}

/** The commands of a block, each whole. Throws where one never ends. */
export const splitCommands = (text: string): readonly string[] => {
  const commands: string[] = []
  let open = ''
  for (const line of text.split('\n')) {
    if (open === '' && (line.trim() === '' || line.startsWith('#'))) continue
    open += open === '' ? line : `\n${line}`
    if (isUnfinished(open)) continue
    commands.push(open.includes('\n') ? open : open.replace(COMMENT, ''))
    open = ''
  }
  if (open.trim() !== '') throw new Error(`this command never ends:\n${open}`)
  return commands
}

const isSetup = (command: string): boolean => ASSIGNMENTS.test(command) || FUNCTION.test(command)

/** The commands of all `sh` blocks of a page, in order. */
export const commandsOf = (file: string, markdown = readDocument(file)): readonly DocumentedCommand[] => {
  const found: DocumentedCommand[] = []
  const setup: string[] = []
  for (const { info, text } of blocksOf(markdown)) {
    const last = found.at(-1)
    if (info.split(' ')[1] === 'output' && last !== undefined) {
      found[found.length - 1] = { ...last, output: text }
      continue
    }
    if (info !== 'sh') continue
    for (const command of splitCommands(text)) {
      if (isSetup(command)) setup.push(command)
      else found.push({ file, text: command, setup: [...setup] })
    }
  }
  return found
}
