export { hasQueryToken } from './access/query-token.ts'
export { openAccess, type OpenedAccess, type SourceAccess } from './access/source-access.ts'
export { settingAliases, settingName, readText, type SettingsEnvironment } from './access/source-settings.ts'
export { isBasic } from './credentials.ts'
export type { CertificateResult } from './certificate/check-certificate.ts'
export { acceptedBatchResponse, acceptedResponse, type AcceptedFacts, type BatchFacts } from './responses.ts'
export { bodyFormOf, contentCodingOf, acceptsMediaType, JSON_SUFFIX_TYPE } from './content.ts'
export { tokenProblem, type TokenCheck, type TokenResult } from './jwt/check-token.ts'
export { valueAt } from './fields.ts'
export type { HandshakeName } from './handshakes/handshake.ts'
export { answerAuthentic, answerOpen, hasAuthentic, type HandshakeReply } from './handshakes/index.ts'
export { isCrcText } from './handshakes/open.ts'
export { collectKeyFacts, readKeyFacts, type KeyFacts } from './key-facts.ts'
export { TemplateError } from './key-template.ts'
export { PRESETS, SOURCES, type BuiltInSource, type PresetName, type SourceName } from './presets/index.ts'
export { identityText } from './identity-text.ts'
export type * from './source.ts'
export { describeSourcesFile, sourcesFileJsonSchema } from './sources-file/describe-sources-file.ts'
export {
  describeProblems,
  parseSourcesFile,
  type FileProblem,
  type ParsedSourcesFile,
} from './sources-file/parse-sources-file.ts'
export { readSourcesFile } from './sources-file/read-sources-file.ts'
export { stableBody } from './stable-body.ts'
export { describeMatch, explainSignature, type ExplainedStep, type Explanation } from './verifier/explain.ts'
export { RequestHeaders } from './verifier/content/request-headers.ts'
export type { RequestLine } from './verifier/content/request-line.ts'
export { SecretError } from './verifier/secrets.ts'
export { findShadowMatches, type ShadowMatch } from './verifier/shadow.ts'
export { sign, signedHeaders, type SigningMoment } from './verifier/sign.ts'
export {
  isSignature,
  isSigned,
  type Ed25519Spec,
  type HmacSpec,
  type SignatureSpec,
  type VerifierSpec,
} from './verifier/spec.ts'
export {
  createVerifier,
  signatureHeaders,
  type InvalidReason,
  type SignatureResult,
  type Verifier,
} from './verifier/verifier.ts'
export { sourceWarnings } from './verifier/warnings.ts'
