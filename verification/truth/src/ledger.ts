import { closeSync, mkdirSync, openSync, readdirSync, readSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import type { FinishedOperation, Operation, OperationKind, OperationResult } from './operation.ts'

const SUFFIX = '.truth.jsonl'
const SEGMENT_MS = 3_600_000
const KEPT_MS = 24 * SEGMENT_MS
const PIECE_BYTES = 1_048_576

type Line =
  | readonly ['intent', id: string, source: string, kind: OperationKind, rawHash: string, eventKey?: string]
  | readonly ['result', id: string, result: OperationResult]

/**
 * What was sent, with its result, on disk. An intent is handed to the operating system before its request is sent, so a
 * killed process leaves at most requests without a result, and those count as unknown. A segment holds one hour;
 * segments older than a day are deleted.
 */
export class TruthLedger {
  readonly #folder: string
  readonly #run: string
  #file: number
  #segmentAt: number
  #next = 0
  #results: string[] = []

  private constructor(folder: string, run: string) {
    this.#folder = folder
    this.#run = run
    mkdirSync(folder, { recursive: true })
    for (const file of ledgerFiles(folder)) {
      if (Date.now() - statSync(file).mtimeMs > KEPT_MS) rmSync(file)
    }
    this.#segmentAt = Date.now()
    this.#file = this.#openSegment()
  }

  /** The ids of the operations begin with `run`, which must differ from that of every earlier run. */
  static open(folder: string, run: string): TruthLedger {
    return new TruthLedger(folder, run)
  }

  /** Notes operations that are about to be sent; returns their ids, in order. */
  intend(operations: readonly Operation[]): readonly string[] {
    if (Date.now() - this.#segmentAt > SEGMENT_MS) this.#rotate()
    const ids: string[] = []
    const lines = operations.map(({ source, kind, rawHash, eventKey }) => {
      const id = `${this.#run}-${this.#next++}`
      ids.push(id)
      return encode(
        eventKey === undefined
          ? ['intent', id, source, kind, rawHash]
          : ['intent', id, source, kind, rawHash, eventKey],
      )
    })
    if (lines.length > 0) writeSync(this.#file, lines.join(''))
    return ids
  }

  /** Notes a result, which the next `flush` writes. */
  finish(id: string, result: OperationResult): void {
    this.#results.push(encode(['result', id, result]))
  }

  flush(): void {
    if (this.#results.length === 0) return
    writeSync(this.#file, this.#results.join(''))
    this.#results = []
  }

  close(): void {
    this.flush()
    closeSync(this.#file)
  }

  #rotate(): void {
    this.flush()
    closeSync(this.#file)
    this.#segmentAt = Date.now()
    this.#file = this.#openSegment()
  }

  #openSegment(): number {
    return openSync(join(this.#folder, `${this.#run}-${this.#segmentAt}${SUFFIX}`), 'a')
  }
}

const encode = (line: Line): string => `${JSON.stringify(line)}\n`

const ledgerFiles = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(SUFFIX))
    // The segments of a run in their order, so that a result comes after its intent.
    .sort()
    .map((name) => join(folder, name))

/**
 * All operations of all runs in a folder. Skips a line that a kill has cut. An operation without a result is unknown.
 */
export const readTruth = (folder: string): FinishedOperation[] => {
  const operations = new Map<string, Operation & { result: OperationResult }>()
  for (const file of ledgerFiles(folder)) {
    for (const text of linesOf(file)) {
      const line = decode(text)
      if (line?.[0] === 'intent') {
        const [, id, source, kind, rawHash, eventKey] = line
        operations.set(id, {
          source,
          kind,
          rawHash,
          ...(eventKey !== undefined && { eventKey }),
          result: 'unknown',
        })
      } else if (line?.[0] === 'result') {
        const operation = operations.get(line[1])
        if (operation !== undefined) operation.result = line[2]
      }
    }
  }
  return [...operations.values()]
}

/** Reads a file of any size in pieces, because a million operations exceed the longest string. */
function* linesOf(file: string): Generator<string> {
  const descriptor = openSync(file, 'r')
  try {
    const decoder = new StringDecoder('utf8')
    const piece = Buffer.alloc(PIECE_BYTES)
    let rest = ''
    for (let bytes = readSync(descriptor, piece); bytes > 0; bytes = readSync(descriptor, piece)) {
      const lines = (rest + decoder.write(piece.subarray(0, bytes))).split('\n')
      rest = lines.pop() ?? ''
      yield* lines
    }
    yield rest
  } finally {
    closeSync(descriptor)
  }
}

const decode = (text: string): Line | undefined => {
  try {
    return JSON.parse(text) as Line
  } catch {
    return undefined
  }
}
