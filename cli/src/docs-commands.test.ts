import { documents, readDocument } from '@weir/testkit'
import type { Command } from 'commander'
import { expect, it } from 'vitest'
import { createProgram } from './program.ts'

/** Calls in sentences as well: those in blocks are run by tests/e2e/docs.test.ts. */
interface Said {
  readonly file: string
  readonly words: readonly string[]
}

/** Calls in blocks of commands, and `weir ...` in sentences. */
const CALL = /(?:^|`|\(|\s)(?:npm run (?:-s |--silent )?weir -- |weir )([a-z][^`\n|;>)]*)/gm
const START = /npm start -- ([^`\n|;>)#]*)/gm

const calls = (pattern: RegExp, lead: readonly string[] = []): readonly Said[] =>
  documents().flatMap((file) => {
    // A line that ends with a backslash goes on.
    const text = readDocument(file).replaceAll('\\\n', ' ')
    const code = (text.replaceAll(/ # .*$/gm, '').match(/```[^]*?```|`[^`\n]+`/g) ?? []).join('\n')
    return [...code.matchAll(pattern)].map(([, call = '']) => ({
      file,
      words: [
        ...lead,
        ...call
          .replaceAll(/'[^']*'|"[^"]*"/g, 'quoted')
          .trim()
          .split(/\s+/),
      ],
    }))
  })

/** Why a call is not one of the program; undefined when it is. */
const problemOf = (program: Command, words: readonly string[]): string | undefined => {
  let command = program
  let at = 0
  for (; at < words.length; at++) {
    const next = command.commands.find((one) => one.name() === words[at])
    if (next === undefined) break
    command = next
  }
  // `a|b` and a sentence about the program itself name no command.
  if (command === program) return `there is no command ${words[0]}`
  const flags = words.slice(at).filter((word) => word.startsWith('--') && word !== '--')
  const known = new Set([...program.options, ...command.options].map(({ long }) => long))
  const unknown = flags.filter((flag) => !known.has(flag.replace(/=.*/, '')) && flag !== '--help')
  if (unknown.length > 0) return `${command.name()} has no ${unknown.join(' ')}`
  const isGroup = command.commands.length > 0
  const first = words[at]
  return isGroup && first !== undefined && /^[a-z-]+$/.test(first)
    ? `${command.name()} has no command ${first}`
    : undefined
}

it('every weir command of the documents exists, with its options', () => {
  const program = createProgram()
  const all = [...calls(CALL), ...calls(START, ['start'])]
  expect(all.length).toBeGreaterThan(40)
  const wrong = all.flatMap(({ file, words }) => {
    const problem = problemOf(program, words)
    return problem === undefined ? [] : [`${file}: weir ${words.join(' ')}: ${problem}`]
  })
  expect(wrong).toEqual([])
})

it('reports a missing command or option', () => {
  const program = createProgram()
  expect(problemOf(program, ['dlq', 'list', 'dedup'])).toMatch(/no command list/)
  expect(problemOf(program, ['dlq', 'ls', 'dedup', '--all'])).toMatch(/no --all/)
  expect(problemOf(program, ['letters'])).toMatch(/no command letters/)
  expect(problemOf(program, ['dlq', 'ls', 'dedup', '--source', 'cxone'])).toBeUndefined()
})

it('commands whose output goes to a file suppress the output of npm', () => {
  const mixed = documents().flatMap((file) =>
    [...readDocument(file).matchAll(/npm run weir -- [^\n`]*>[^\n`]*/g)].map(([line]) => `${file}: ${line}`),
  )
  expect(mixed).toEqual([])
})

it('no document contains merge conflict markers', () => {
  const marked = documents().filter((file) => /^(?:<{7} |={7}$|>{7} |(?:> ){7})/m.test(readDocument(file)))
  expect(marked).toEqual([])
})
