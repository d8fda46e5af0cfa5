import { expect } from 'vitest'
import { RequestHeaders } from '../verifier/content/request-headers.ts'
import type { SignatureSpec } from '../verifier/spec.ts'
import { createVerifier } from '../verifier/verifier.ts'
import type { SignedRequest } from './official-packages.ts'

const VALID = { kind: 'valid', secret: 0 }

type Judge = (request: SignedRequest) => unknown

export const judgeOf = (spec: SignatureSpec, secret: string, now: number): Judge => {
  const verify = createVerifier(spec, [secret])
  return ({ raw, headers, line }) => verify(RequestHeaders.of(headers), raw, now, line)
}

/** Changes each byte of the body and of each header that carries the signature, one at a time. */
const changesOf = function* (spec: SignatureSpec, request: SignedRequest): Generator<SignedRequest> {
  const { raw, headers } = request
  for (let at = 0; at < raw.length; at++) {
    const changed = Buffer.from(raw)
    changed[at]! ^= 1
    yield { ...request, raw: changed }
  }
  for (const name of [spec.header, spec.idHeader, spec.timestamp?.header]) {
    if (name === undefined) continue
    const value = headers[name]!
    for (let at = 0; at < value.length; at++) {
      const byte = String.fromCharCode(value.charCodeAt(at) ^ 1)
      yield { ...request, headers: { ...headers, [name]: value.slice(0, at) + byte + value.slice(at + 1) } }
    }
  }
}

/** Expects that the request is accepted, and that it is refused with any one byte changed. */
export const expectEveryByteMatters = (spec: SignatureSpec, judge: Judge, request: SignedRequest): void => {
  expect(judge(request)).toEqual(VALID)
  for (const changed of changesOf(spec, request)) expect(judge(changed)).not.toEqual(VALID)
}
