import { parseCidr, type AddressRange } from '@weir/contracts'
import { createCertificateCheck, type CertificateCheck } from '../certificate/check-certificate.ts'
import type { SourceDefinition } from '../source.ts'
import type { HandshakeKeys } from '../handshakes/handshake.ts'
import { secretBytes } from '../verifier/secrets.ts'
import type { JwtSpec } from '../jwt/jwt-spec.ts'
import { createSnsVerifier } from '../verifier/sns.ts'
import { isSignature, isSigned, type SignatureSpec, type SnsSpec } from '../verifier/spec.ts'
import { createTokenCheck, type TokenCheck } from '../jwt/check-token.ts'
import { jwtKeysOf } from '../jwt/jwt-keys.ts'
import { fixedKeys, remoteKeysOf } from '../jwt/remote-keys.ts'
import { createContentReader, type ContentReader } from '../verifier/content/content-reader.ts'
import { createVerifier, signatureHeaders, type Verifier } from '../verifier/verifier.ts'
import { SettingsReader } from './settings-reader.ts'
import { listOf, secretsOf, readText, type SettingsEnvironment } from './source-settings.ts'

/** A source together with everything that authenticates its requests. */
export interface SourceAccess {
  readonly source: SourceDefinition
  /** Undefined if the source has no secrets. */
  readonly verify: Verifier | undefined
  /** Headers that every signed request must have, in lower case. */
  readonly signedBy: readonly string[]
  /** Undefined if the source needs no JWT. */
  readonly checkToken?: TokenCheck | undefined
  /** Undefined if the source needs no client certificate. */
  readonly checkCertificate?: CertificateCheck | undefined
  /** Returns the signed content of a request. Undefined if the source does not guard its content. */
  readonly contentOf: ContentReader | undefined
  readonly secrets: readonly string[]
  /** The bearer token that requests must have. */
  readonly token: string | undefined
  /** A request must have one of these in its query or in its header. Undefined if it needs none. */
  readonly queryTokens?: readonly string[]
  /** The `user:password` that requests must have. */
  readonly basic: string | undefined
  /** Undefined if the source answers no handshakes. */
  readonly handshakeKeys?: HandshakeKeys | undefined
  /** The addresses from which requests may come. Undefined if any address may send. */
  readonly ranges: readonly AddressRange[] | undefined
  /**
   * Why requests of the configured source cannot be checked at the moment. They get 503, and the provider sends them
   * again.
   */
  readonly unavailable: string | undefined
}

export interface OpenedAccess {
  /** Undefined if the source is not configured, or if `problems` says why it cannot be used. */
  readonly access: SourceAccess | undefined
  /** Settings that are present but invalid. The texts never contain a secret. */
  readonly problems: readonly string[]
  /** Files that the settings were read from or name. */
  readonly files: readonly string[]
}

/** Reads the secrets, tokens and address ranges of a source from the environment and from the files that it names. */
export const openAccess = (
  source: SourceDefinition,
  env: SettingsEnvironment,
  read = readText,
): OpenedAccess => {
  const settings = new SettingsReader(source.name, env, read)
  const { verifier, jwt } = source
  const given = settings.find('SECRETS')
  const token = settings.find('TOKEN')?.text
  const basic = settings.find('BASIC')?.text
  const cidrs = [...(source.cidrs ?? []), ...listOf(settings.find('CIDRS')?.text ?? '')]
  const verifyToken = source.handshakes.includes('meta') ? settings.find('VERIFY_TOKEN')?.text : undefined
  const secrets = given === undefined ? [] : (settings.attempt('SECRETS', () => secretsOf(given)) ?? [])
  const verify =
    isSigned(verifier) && secrets.length > 0
      ? settings.attempt('SECRETS', () => verifierOf(verifier, secrets))
      : undefined
  const jwtKeys = jwt === undefined || jwt.jwksUrl !== undefined ? undefined : settings.find('JWT_KEYS')
  const checkToken = jwt && settings.attempt('JWT_KEYS', () => tokenCheckOf(jwt, jwtKeys))
  const ranges = cidrs.length === 0 ? undefined : settings.attempt('CIDRS', () => cidrs.map(parseCidr))
  rejectContradictions(settings, source, { token, basic, verifyToken, hasSecrets: secrets.length > 0 })
  const queryTokens = settings.find('QUERY_TOKEN')?.text
  const { files, problems, unavailable } = settings
  const access = {
    source,
    verify,
    signedBy: verify === undefined ? [] : signatureHeaders(verifier),
    checkToken,
    checkCertificate: source.clientCertificate && createCertificateCheck(source.clientCertificate),
    contentOf: contentReaderOf(source, verify),
    secrets,
    token,
    basic,
    handshakeKeys: handshakeKeysOf(source, secrets, verifyToken),
    ranges,
    unavailable,
    ...(queryTokens !== undefined && { queryTokens: listOf(queryTokens) }),
  }
  return { access: problems.length === 0 && isSetUp(access) ? access : undefined, problems, files }
}

interface Credentials {
  readonly token: string | undefined
  readonly basic: string | undefined
  readonly verifyToken: string | undefined
  readonly hasSecrets: boolean
}

/** Rejects settings that contradict each other or the source. */
const rejectContradictions = (
  settings: SettingsReader,
  { handshakes, jwt }: SourceDefinition,
  { token, basic, verifyToken, hasSecrets }: Credentials,
): void => {
  if (basic !== undefined && !basic.includes(':')) settings.reject('BASIC', 'give user:password')
  if (jwt !== undefined && (token ?? basic) !== undefined) {
    const kind = token === undefined ? 'BASIC' : 'TOKEN'
    settings.reject(kind, 'the JWT uses the same header: remove this setting or `jwt`')
  }
  const needsVerifyToken = handshakes.includes('meta') && hasSecrets && settings.unavailable === undefined
  if (needsVerifyToken && verifyToken === undefined) {
    settings.reject('VERIFY_TOKEN', 'give the text that Meta sends as hub.verify_token')
  }
}

const handshakeKeysOf = (
  { handshakes, verifier, origins, limits }: SourceDefinition,
  secrets: readonly string[],
  verifyToken: string | undefined,
): HandshakeKeys | undefined => {
  if (handshakes.length === 0) return undefined
  const bytesOf = (text: string) =>
    verifier.kind === 'hmac' ? (secretBytes(text, verifier.secretEncoding) ?? []) : []
  return {
    origins,
    verifyToken,
    ratePerMinute: limits.rate && 60 * limits.rate.perSec,
    secrets: secrets.flatMap(bytesOf),
  }
}

const contentReaderOf = ({ verifier, guardsContent }: SourceDefinition, verify: Verifier | undefined) =>
  guardsContent && isSignature(verifier) && verify !== undefined ? createContentReader(verifier) : undefined

const verifierOf = (spec: SignatureSpec | SnsSpec, secrets: readonly string[]): Verifier =>
  spec.kind === 'sns' ? createSnsVerifier(spec, secrets) : createVerifier(spec, secrets)

const tokenCheckOf = (spec: JwtSpec, keys: Parameters<typeof jwtKeysOf>[0] | undefined) => {
  if (spec.jwksUrl !== undefined) return createTokenCheck(spec, remoteKeysOf(spec.jwksUrl, spec.algorithms))
  return keys && createTokenCheck(spec, fixedKeys(jwtKeysOf(keys, spec.algorithms)))
}

const isSetUp = ({
  source,
  verify,
  checkToken,
  token,
  basic,
  ranges,
  unavailable,
}: SourceAccess): boolean => {
  if (unavailable !== undefined) return true
  const { verifier, jwt, clientCertificate } = source
  if (jwt !== undefined && checkToken === undefined) return false
  if (source.unsigned || ((jwt ?? clientCertificate) !== undefined && !isSigned(verifier))) return true
  if (verifier.kind === 'address' && verifier.tokenSuffices && (token ?? basic) !== undefined) return true
  return isSigned(verifier) ? verify !== undefined : ranges !== undefined
}
