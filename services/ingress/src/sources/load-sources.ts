import { isEverywhere, parseCidr } from '@weir/contracts'
import { guessable, refusedRisks, takenRisks, type AllowedRisks, type RiskFinding } from '@weir/runtime'
import {
  isSigned,
  openAccess,
  readSourcesFile,
  settingName,
  SOURCES,
  type SettingsEnvironment,
  type SourceAccess,
  type SourceDefinition,
} from '@weir/sources'

export interface SourcesConfig extends Partial<AllowedRisks> {
  readonly profile: 'production' | 'dev'
  /** Proxies that may report a client certificate. */
  readonly trustedProxies: readonly string[]
  /** Undefined: the configured built-in sources. */
  readonly sourcesFile?: string | undefined
  readonly sourceEnv: SettingsEnvironment
}

export interface LoadedSources {
  /** Empty if there are no problems. */
  readonly accesses: readonly SourceAccess[]
  /** Why these sources cannot be used, with every problem. */
  readonly problems: readonly string[]
  /** Risks that a setting allows, for the log. */
  readonly risks: readonly string[]
  /** The files that this was read from. When one changes, load again. */
  readonly files: readonly string[]
}

/** The active sources with their secrets. */
export const loadSources = (config: SourcesConfig): LoadedSources => {
  const { profile, trustedProxies, sourcesFile, sourceEnv } = config
  const read = readSourcesFile(sourcesFile)
  const opened = read.sources.map((source) => ({ source, ...openAccess(source, sourceEnv) }))
  const accesses = opened.flatMap(({ access }) => access ?? [])
  const problems = [...read.problems, ...opened.flatMap((one) => one.problems)]
  if (sourcesFile !== undefined) {
    const idle = opened.filter(
      ({ source, access, problems: own }) =>
        read.named.has(source.name) && access === undefined && own.length === 0,
    )
    problems.push(
      ...idle.map(({ source }) => `${sourcesFile}: sources.${source.name}: ${howToTurnOn(source)}`),
    )
  } else if (accesses.length === 0 && problems.length === 0) {
    problems.push(`No source is configured: ${howToTurnAnyOn()}.`)
  }
  if (trustedProxies.length === 0) problems.push(...opened.flatMap(({ source }) => proxyless(source)))
  const findings = profile === 'dev' ? claimable(config, opened) : accesses.flatMap(risksOf)
  problems.push(...refusedRisks(findings, config))
  return {
    accesses: problems.length > 0 ? [] : accesses,
    problems,
    risks: takenRisks(findings, config),
    files: [
      ...new Set([
        ...(sourcesFile === undefined ? [] : [sourcesFile]),
        ...opened.flatMap(({ files }) => files),
      ]),
    ],
  }
}

const howToTurnOn = ({ name, verifier, jwt }: SourceDefinition): string => {
  if (jwt !== undefined && jwt.jwksUrl === undefined)
    return `its tokens cannot be checked without keys: give ${settingName(name, 'JWT_KEYS')} or jwt.jwksUrl`
  if (isSigned(verifier))
    return `it has no secrets: give ${settingName(name, 'SECRETS')}, or remove the source from the file`
  const token =
    verifier.kind === 'address' && verifier.tokenSuffices ? ` or ${settingName(name, 'TOKEN')}` : ''
  return `anyone could send to it: give cidrs or ${settingName(name, 'CIDRS')}${token}, or write \`unsigned: true\``
}

const howToTurnAnyOn = (): string => {
  const names = SOURCES.map(({ name, verifier }) =>
    settingName(name, isSigned(verifier) ? 'SECRETS' : 'CIDRS'),
  )
  return `give ${names.slice(0, -1).join(', ')} or ${names.at(-1)!}`
}

const proxyless = ({ name, clientCertificate }: SourceDefinition): string[] =>
  clientCertificate === undefined
    ? []
    : [
        `sources.${name}.clientCertificate: header is ${clientCertificate.header} and INGRESS_TRUSTED_PROXIES is empty: ` +
          'no proxy is trusted to report a certificate. Give INGRESS_TRUSTED_PROXIES the address of the proxy that ends TLS, or remove clientCertificate.',
      ]

/**
 * A certificate that anyone can claim proves nothing, not even in a trial. Outside the dev profile the rule for
 * settings finds such ranges.
 */
const claimable = (
  { trustedProxies }: SourcesConfig,
  opened: readonly { readonly source: SourceDefinition }[],
): readonly RiskFinding[] => {
  const isAsked = ({ source }: { readonly source: SourceDefinition }) =>
    source.clientCertificate !== undefined
  return opened.some(isAsked) && isEverywhere(trustedProxies.map(parseCidr))
    ? [
        {
          risk: 'ALLOW_ANY_PROXY',
          what: `INGRESS_TRUSTED_PROXIES is ${trustedProxies.join(',')}, and a source has clientCertificate`,
        },
      ]
    : []
}

/** What is a risk in a source's own settings, whatever the service's settings say. */
const risksOf = (access: SourceAccess): readonly RiskFinding[] => [
  ...weakSecrets(access),
  ...openToAll(access),
  ...plainKeys(access),
]

/** Named by their setting. For `user:password` the last part counts. */
const ownSecrets = (access: SourceAccess): Readonly<Record<string, readonly string[]>> => {
  const { secrets, token, basic, queryTokens = [], handshakeKeys } = access
  const listOf = (text: string | undefined) => (text === undefined ? [] : [text])
  return {
    SECRETS: secrets,
    TOKEN: listOf(token),
    BASIC: listOf(basic?.slice(basic.indexOf(':') + 1)),
    QUERY_TOKEN: queryTokens,
    VERIFY_TOKEN: listOf(handshakeKeys?.verifyToken),
  }
}

const weakSecrets = (access: SourceAccess): readonly RiskFinding[] =>
  Object.entries(ownSecrets(access)).flatMap(([kind, secrets]) => {
    const whys = new Set(secrets.flatMap((secret) => guessable(secret, 'us') ?? []))
    const name = settingName(access.source.name, kind as Parameters<typeof settingName>[1])
    return [...whys].map((why) => ({
      risk: 'ALLOW_WEAK_CREDENTIALS' as const,
      what: `${name}: a secret ${why}`,
    }))
  })

/** A source with `unsigned: true` in its file is deliberately unsigned, and ingress warns about it. */
const openToAll = (access: SourceAccess): readonly RiskFinding[] => {
  const { source, ranges, verify, checkToken, checkCertificate, token, basic, queryTokens } = access
  const proofs = [verify, checkToken, checkCertificate, token, basic, queryTokens]
  const isOpen = ranges !== undefined && isEverywhere(ranges) && proofs.every((proof) => proof === undefined)
  return isOpen && !source.unsigned
    ? [
        {
          risk: 'ALLOW_ANY_ADDRESS',
          what: `${settingName(source.name, 'CIDRS')} lets in half of all addresses or more, and source ${source.name} has no other proof`,
        },
      ]
    : []
}

const plainKeys = ({ source: { name, jwt } }: SourceAccess): readonly RiskFinding[] =>
  jwt?.jwksUrl?.startsWith('http://') === true
    ? [
        {
          risk: 'ALLOW_PLAINTEXT_HTTP',
          what: `sources.${name}.jwt.jwksUrl: ${jwt.jwksUrl} begins with http://, so that anyone on the network path could replace the keys`,
        },
      ]
    : []
