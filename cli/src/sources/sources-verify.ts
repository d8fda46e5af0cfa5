import { readFileSync } from 'node:fs'
import type { Environment } from '@weir/runtime'
import {
  explainSignature,
  isSignature,
  openAccess,
  readSourcesFile,
  RequestHeaders,
  settingName,
} from '@weir/sources'

export interface VerifyOptions {
  readonly source: string
  /** File with the exact bytes; `-` is standard input. */
  readonly body: string
  /** `name: value` each. */
  readonly header: readonly string[]
  /** Sources file; default SOURCES_FILE. */
  readonly file?: string
  /** Epoch seconds by which timestamps are checked; default now. */
  readonly at?: number
  /** Parts of the request's first line, for providers that sign them. */
  readonly method?: string
  readonly target?: string
}

/** What is printed, and the exit code: 0 valid, 1 invalid, 2 not checked. */
export interface VerifyResult {
  readonly lines: readonly string[]
  readonly exitCode: 0 | 1 | 2
}

const HEADER = /^([A-Za-z0-9-]+):[ \t]*(.*?)[ \t]*$/

/** Explains step by step why a request's signature holds or not. Names places of secrets, never a secret. */
export const verifySource = (options: VerifyOptions, env: Environment): VerifyResult => {
  const cannot = (...lines: string[]): VerifyResult => ({ lines, exitCode: 2 })
  const { sources, problems: ofFile } = readSourcesFile(options.file ?? env.SOURCES_FILE)
  if (ofFile.length > 0) return cannot(...ofFile)
  const source = sources.find(({ name }) => name === options.source)
  if (source === undefined) {
    const names = sources.map(({ name }) => name).join(', ')
    return cannot(`There is no source ${options.source}: there are ${names}.`)
  }
  if (source.verifier.kind === 'sns')
    return cannot(`Requests of ${source.name} are signed in their bodies, which this command does not read.`)
  if (!isSignature(source.verifier)) {
    return cannot(
      `Requests of ${source.name} are not signed: their address is checked, and a token if one is set.`,
    )
  }
  const malformed = options.header.filter((text) => !HEADER.test(text))
  if (malformed.length > 0) return cannot(...malformed.map((text) => `--header ${text}: give 'name: value'.`))
  const { access, problems } = openAccess(source, env)
  if (problems.length > 0) return cannot(...problems)
  if (access?.unavailable !== undefined) return cannot(access.unavailable)
  if (access === undefined || access.secrets.length === 0) {
    return cannot(
      `There are no secrets: give ${settingName(source.name, 'SECRETS')} or ${settingName(source.name, 'SECRETS')}_FILE.`,
    )
  }
  let raw: Buffer
  try {
    raw = readFileSync(options.body === '-' ? 0 : options.body)
  } catch (error) {
    return cannot(
      `--body ${options.body}: cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'}).`,
    )
  }
  const headers = new RequestHeaders(options.header.flatMap((text) => HEADER.exec(text)!.slice(1, 3)))
  const now = options.at === undefined ? Date.now() : options.at * 1_000
  const line = { method: options.method ?? 'POST', target: options.target ?? source.paths[0]! }
  const { result, steps, hints } = explainSignature(source.verifier, access.secrets, headers, raw, now, line)
  return {
    lines: [
      `source ${source.name}, preset ${source.preset}, ${raw.length} bytes of body, ${access.secrets.length} secrets`,
      ...steps.map(({ isGood, text }) => `${isGood ? 'ok    ' : 'not ok'} ${text}`),
      ...hints.map((text) => `hint   ${text}`),
      result.kind === 'valid' ? 'The signature holds.' : 'The signature does not hold.',
    ],
    exitCode: result.kind === 'valid' ? 0 : 1,
  }
}
