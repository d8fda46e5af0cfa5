import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { readLines } from './read-lines.ts'

export type SentKind = 'event' | 'malformed' | 'forged'
export type SentResult = 'acked' | 'refused' | 'failed' | 'unknown'

/** One request of the simulator's own list. Of the body only its hash: whatever else is in the list is not believed. */
export interface SentRequest {
  readonly source: string
  readonly kind: SentKind
  /** Hex sha256 of the body. */
  readonly sha256: string
  readonly result: SentResult
}

type Line =
  | readonly ['intent', id: string, source: string, kind: SentKind, sha256: string, eventKey?: string]
  | readonly ['result', id: string, result: SentResult]

/** All requests that are written down in a folder. Without a result a request is unknown; a torn line is left out. */
export const readSent = async (folder: string): Promise<readonly SentRequest[]> => {
  const requests = new Map<string, Omit<SentRequest, 'result'> & { result: SentResult }>()
  for (const name of readdirSync(folder).sort()) {
    if (!name.endsWith('.truth.jsonl')) continue
    for await (const lines of readLines(join(folder, name))) {
      for (const text of lines) {
        const line = parse(text)
        if (line?.[0] === 'intent') {
          const [, id, source, kind, sha256] = line
          requests.set(id, { source, kind, sha256, result: 'unknown' })
        } else if (line?.[0] === 'result') {
          const request = requests.get(line[1])
          if (request !== undefined) request.result = line[2]
        }
      }
    }
  }
  return [...requests.values()]
}

const parse = (text: string): Line | undefined => {
  try {
    return JSON.parse(text) as Line
  } catch {
    return undefined
  }
}
