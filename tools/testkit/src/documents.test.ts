import { expect, it } from 'vitest'
import { commandsOf, documents, readDocument, splitCommands } from './documents.ts'

it.each<[string, readonly string[]]>([
  ['one # why\n# two\n\nthree', ['one', 'three']],
  ['one \\\n  more\ntwo', ['one \\\n  more', 'two']],
  ["one 'a\nb'\ntwo", ["one 'a\nb'", 'two']],
  ["cat > f <<'EOF'\na: 1 # kept\nEOF\ntwo", ["cat > f <<'EOF'\na: 1 # kept\nEOF", 'two']],
  ['f() {\n  one\n}\nf', ['f() {\n  one\n}', 'f']],
])('splits %j', (text, commands) => {
  expect(splitCommands(text)).toEqual(commands)
})

it('takes the indentation of a list from its blocks', () => {
  expect(commandsOf('page.md', '1. Do:\n\n   ```sh\n   one \\\n     more\n   ```\n')).toMatchObject([
    { text: 'one \\\n  more' },
  ])
})

it('says which command never ends', () => {
  expect(() => splitCommands("one\necho 'a\nb")).toThrow(/never ends:\necho 'a\nb/)
})

it('knows what is set before a command, and what it prints', () => {
  const page = [
    '```sh',
    "SECRET='a b'",
    'SIGNATURE=$(printf %s "$(date)" | cut -c1)',
    'A=1 two',
    '```',
    '',
    '```text output',
    'shown',
    '```',
    '',
    '```yaml',
    'a: 1',
    '```',
    '',
    '```sh',
    'three',
    '```',
    '',
  ].join('\n')
  const setup = ["SECRET='a b'", 'SIGNATURE=$(printf %s "$(date)" | cut -c1)']
  expect(commandsOf('page.md', page)).toEqual([
    { file: 'page.md', text: 'A=1 two', setup, output: 'shown\n' },
    { file: 'page.md', text: 'three', setup },
  ])
})

// Prettier makes quotes of the last of them.
it.each(documents())('%s has no marks of a merge', (file) => {
  expect(readDocument(file)).not.toMatch(/^(?:<{7} |={7}$|>{7} |(?:> ){7})/m)
})
