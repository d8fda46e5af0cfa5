import { Option, type Command } from 'commander'

/** What a terminal, or a reader of lines, would take as more than text: control characters, line separators, bidi marks. */
const ACTIVE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** Text that a payload may have chosen, on one line and without power over a terminal. */
export const plainText = (text: string): string =>
  text.replace(ACTIVE, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)

export const print = (text: string): void => {
  process.stdout.write(`${text}\n`)
}

export const progress = (text: string): void => {
  process.stderr.write(`${text}\n`)
}

export type Row = Readonly<Record<string, unknown>>

export interface OutputOptions {
  readonly json?: boolean
}

export const withJson = (command: Command): Command =>
  command.addOption(new Option('--json', 'print JSON instead of a table'))

const cellOf = (value: unknown): string => {
  if (value === undefined || value === null || value === '') return '-'
  return plainText(typeof value === 'string' ? value : JSON.stringify(value))
}

/** A table with a head, or all rows as one JSON array. The columns of the table are those of `columns`, in order. */
export const printRows = (
  columns: Readonly<Record<string, string>>,
  rows: readonly Row[],
  { json }: OutputOptions,
): void => {
  if (json) {
    print(JSON.stringify(rows, undefined, 2))
    return
  }
  const names = Object.keys(columns)
  const cells = [Object.values(columns), ...rows.map((row) => names.map((name) => cellOf(row[name])))]
  const widths = names.map((_, column) => cells.reduce((max, row) => Math.max(max, row[column]!.length), 0))
  const lines = cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  )
  print(lines.join('\n'))
}

/** Resolves when all that was printed has left this process: a pipe takes it no faster than its reader reads. */
export const drained = async (): Promise<void> => {
  const streams = [process.stdout, process.stderr]
  await Promise.all(streams.map((stream) => new Promise<void>((done) => stream.write('', () => done()))))
}

/** A reader that has gone (`weir ... | head`) ends the command without a word; one that runs servers stops them first. */
export const endWithReader = (): void => {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
      if (!process.emit('SIGTERM')) process.exit()
    })
  }
}
