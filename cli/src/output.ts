import { once } from 'node:events'
import { plainJson, plainLines, plainText } from '@weir/contracts'
import { Option, type Command } from 'commander'

/** Prints one line per text. A line feed, like every character that a terminal acts on, is shown as an escape. */
export const print = (...lines: readonly string[]): void => {
  process.stdout.write(oneEach(lines))
}

/** Like `print`, to stderr. */
export const progress = (...lines: readonly string[]): void => {
  process.stderr.write(oneEach(lines))
}

const oneEach = (lines: readonly string[]): string => lines.map((line) => `${plainText(line)}\n`).join('')

/** Prints text whose line feeds are our own, or a part of such text: lines of JSON. */
export const printPart = (text: string): void => {
  process.stdout.write(plainLines(text))
}

/** Resolves when there is room for more, because a pipe accepts output no faster than its reader reads. */
export const whenTaken = async (): Promise<void> => {
  if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain')
}

/** Prints a whole text, such as a page or a script. */
export const printPage = (text: string): void => printPart(`${text.trimEnd()}\n`)

export const printJson = (value: unknown): void => printPage(plainJson(value, 2))

/** The first line of an error, with further lines indented so that none of them looks like a line of ours. */
export const errorLines = ({ message }: Error): readonly string[] => {
  const [first = '', ...more] = message.split('\n')
  return [first, ...more.map((line) => `  ${line}`)]
}

export const printError = (error: Error): void => {
  progress(...errorLines(error))
}

export interface Stream {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/** A line that is overwritten on a terminal, and printed again elsewhere. */
export const repaint = (line: string, stream: Stream = process.stderr): void => {
  stream.write(stream.isTTY ? `\r${plainText(line)}` : `${plainText(line)}\n`)
}

/** Makes the next output begin on a line of its own. */
export const endRepaint = (stream: Stream = process.stderr): void => {
  if (stream.isTTY) stream.write('\n')
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

/**
 * Prints a table with a head, or all rows as one JSON array. The columns of the table are those of `columns`, in
 * order.
 */
export const printRows = (
  columns: Readonly<Record<string, string>>,
  rows: readonly Row[],
  { json }: OutputOptions,
): void => {
  if (json) {
    printJson(rows)
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
  print(...lines)
}

/**
 * Resolves when everything printed has left this process, because a pipe accepts output no faster than its reader
 * reads.
 */
export const drained = async (): Promise<void> => {
  const streams = [process.stdout, process.stderr]
  await Promise.all(streams.map((stream) => new Promise<void>((done) => stream.write('', () => done()))))
}

/**
 * A reader that closes the pipe (`weir ... | head`) ends the command silently. A command that runs servers stops them
 * first.
 */
export const endWithReader = (): void => {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
      if (!process.emit('SIGTERM')) process.exit()
    })
  }
}
