import { createReadStream } from 'node:fs'
import { StringDecoder } from 'node:string_decoder'

const PIECE_BYTES = 4_194_304

/** The lines of a file of any size, many at a time; between two pieces other work of this process goes on. */
export async function* readLines(file: string): AsyncGenerator<readonly string[]> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  for await (const piece of createReadStream(file, { highWaterMark: PIECE_BYTES })) {
    const lines = (rest + decoder.write(piece as Buffer)).split('\n')
    rest = lines.pop() ?? ''
    yield lines
  }
  if (rest !== '') yield [rest]
}
