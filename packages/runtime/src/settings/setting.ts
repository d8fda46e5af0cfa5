import { createPrivateKey, X509Certificate } from 'node:crypto'
import { parseCidr } from '@weir/contracts'
import { z } from 'zod'

/** One setting: where it comes from and which values it accepts. */
export interface Setting<T = unknown> {
  /** The environment variable; `<env>_FILE` names a file that holds the value. */
  readonly env: string
  /** Other names of the same variable, in order of precedence. */
  readonly aliases?: readonly string[]
  /** Parses the text, which is undefined when the variable is unset. */
  readonly schema: z.ZodType<T, string | undefined>
  readonly help: string
  /** Variables of secrets that requests to this URL carry. */
  readonly carries?: readonly string[]
}

export type Settings = Readonly<Record<string, Setting>>
export type ConfigOf<S extends Settings> = { readonly [K in keyof S]: z.output<S[K]['schema']> }

/** What a setting holds, which decides what may be shown of it and what would be a risk. */
export type Kind =
  /**
   * Who chose the secret: the operator of Weir, or another system with its own rules; `judged`: it is presented to a
   * service of Weir, which checks it itself.
   */
  | { readonly is: 'secret'; readonly chosenBy: 'us' | 'them' | 'judged' }
  | { readonly is: 'http-url' }
  | { readonly is: 'postgres-url' }
  | { readonly is: 'certificates' }
  /** Peers whose statements are believed. */
  | { readonly is: 'proxies' }

/** Part of a setting's type, so that a secret cannot become a setting that is shown. */
const kinds = new WeakMap<z.ZodType, Kind>()

const ofKind = <T extends z.ZodType>(kind: Kind, schema: T): T => {
  kinds.set(schema, kind)
  return schema
}

const secret = <T extends z.ZodType>(schema: T): T => ofKind({ is: 'secret', chosenBy: 'us' }, schema)

export const kindOf = (schema: z.ZodType): Kind | undefined => kinds.get(schema)

/** Stands before each secret of a file. */
const LINE = '\n'
const listedLines = new WeakSet<z.ZodType>()

/** Each line of a file is one secret, whatever it contains. */
export const linesOfFile = (schema: z.ZodType, text: string): string =>
  listedLines.has(schema) ? LINE + text.replaceAll('\r', '') : text

// Schemas for settings: each takes the environment's text.
const numeric = (min: number, max: number, multipleOf?: number) =>
  z.string().transform((text, ctx) => {
    const value = Number(text)
    if (
      text.trim() === '' ||
      Number.isNaN(value) ||
      (multipleOf !== undefined && value % multipleOf !== 0) ||
      value < min ||
      value > max
    ) {
      const what =
        multipleOf === undefined ? 'number' : multipleOf === 1 ? 'whole number' : `multiple of ${multipleOf}`
      ctx.addIssue({ code: 'custom', message: `must be a ${what} from ${min} to ${max}` })
      return z.NEVER
    }
    return value
  })

const URL_OF = (protocols: readonly string[], { credentials }: UrlOptions) =>
  z.string('must be set').superRefine((text, ctx) => {
    const url = URL.canParse(text) ? new URL(text) : undefined
    const isOne = url !== undefined && protocols.some((one) => text.startsWith(`${one}://`))
    if (!isOne) {
      const encoded = credentials ? ', special characters of its password percent-encoded' : ''
      ctx.addIssue({ code: 'custom', message: `must be a URL that begins with ${protocols[0]}://${encoded}` })
    } else if (!credentials && (url.username !== '' || url.password !== '')) {
      ctx.addIssue({ code: 'custom', message: 'must be a URL without user and password' })
    }
  })

interface UrlOptions {
  /** Whether a user and a password in the URL are used. */
  readonly credentials: boolean
}

const HTTP = ['http', 'https'] as const
const POSTGRES = ['postgres', 'postgresql'] as const

const partsOf = (text: string, separator: string | RegExp): readonly string[] =>
  text
    .split(separator)
    .map((part) => part.trim())
    .filter((part) => part !== '')

const splitSecrets = (text: string): readonly string[] => partsOf(text, text.includes(LINE) ? LINE : ',')

export const setting = {
  /** A secret, shown as `set` only. Required unless it has a fallback. */
  secret: (fallback?: string) => secret(setting.text(fallback)),
  optionalSecret: () => secret(setting.optionalText()),
  /** A secret of another system, which decides its length. */
  foreignSecret: (fallback?: string) => ofKind({ is: 'secret', chosenBy: 'them' }, setting.text(fallback)),
  /** A secret that authenticates to a service of Weir. */
  optionalToken: () => ofKind({ is: 'secret', chosenBy: 'judged' }, setting.optionalText()),
  optionalForeignSecret: () => ofKind({ is: 'secret', chosenBy: 'them' }, setting.optionalText()),
  /** Secrets separated by commas; in a file one per line, where commas are part of a secret. */
  secretList: (fallback?: readonly []) => {
    const schema = secret(
      (fallback === undefined ? z.string('must be set') : z.string().default('')).transform(
        splitSecrets,
      ) as z.ZodType<readonly string[], string | undefined>,
    )
    listedLines.add(schema)
    return schema
  },
  /** Secrets separated by commas or lines, for secrets that contain neither. */
  secretEntries: () =>
    secret(
      z
        .string()
        .default('')
        .transform((text) => partsOf(text, /[\n,]/)) as z.ZodType<readonly string[], string | undefined>,
    ),
  /** A URL, shown without user, password and query. */
  httpUrl: (options: UrlOptions, fallback?: string) => {
    const url = URL_OF(HTTP, options)
    const schema = fallback === undefined ? url : url.default(fallback)
    return ofKind({ is: 'http-url' }, schema as z.ZodType<string, string | undefined>)
  },
  optionalHttpUrl: (options: UrlOptions) =>
    ofKind(
      { is: 'http-url' },
      URL_OF(HTTP, options).optional() as z.ZodType<string | undefined, string | undefined>,
    ),
  postgresUrl: () =>
    ofKind(
      { is: 'postgres-url' },
      URL_OF(POSTGRES, { credentials: true }) as z.ZodType<string, string | undefined>,
    ),
  optionalPostgresUrl: () =>
    ofKind(
      { is: 'postgres-url' },
      URL_OF(POSTGRES, { credentials: true }).optional() as z.ZodType<string | undefined, string | undefined>,
    ),
  text: (fallback?: string) =>
    (fallback === undefined ? z.string('must be set') : z.string().default(fallback)) as z.ZodType<
      string,
      string | undefined
    >,
  optionalText: () => z.string().optional() as z.ZodType<string | undefined, string | undefined>,
  integer: (fallback: number, min: number, max: number, multipleOf = 1) =>
    numeric(min, max, multipleOf).default(fallback) as unknown as z.ZodType<number, string | undefined>,
  optionalInteger: (min: number, max: number) =>
    numeric(min, max, 1).optional() as unknown as z.ZodType<number | undefined, string | undefined>,
  number: (fallback: number, min: number, max: number) =>
    numeric(min, max).default(fallback) as unknown as z.ZodType<number, string | undefined>,
  flag: (fallback: boolean) =>
    z
      .enum(['true', 'false'], 'must be true or false')
      .default(fallback ? 'true' : 'false')
      .transform((text) => text === 'true') as z.ZodType<boolean, string | undefined>,
  oneOf: <const V extends readonly [string, ...string[]]>(values: V, fallback: V[number]) =>
    z.enum(values, `must be one of ${values.join(', ')}`).default(fallback as never) as unknown as z.ZodType<
      V[number],
      string | undefined
    >,
  list: (fallback?: readonly string[]) =>
    (fallback === undefined ? z.string('must be set') : z.string().default(fallback.join(','))).transform(
      (text) => partsOf(text, ','),
    ) as z.ZodType<readonly string[], string | undefined>,
  /** PEM, shown as `set`. */
  certificates: () =>
    ofKind({ is: 'certificates' }, pem(CERTIFICATE, 'certificates in PEM', areCertificates)),
  privateKey: () =>
    ofKind(
      { is: 'secret', chosenBy: 'judged' },
      pem(PRIVATE_KEY, 'a private key in PEM without a passphrase', isPrivateKey),
    ),
  /** Addresses and CIDR ranges of proxies, separated by commas. */
  proxies: () =>
    ofKind(
      { is: 'proxies' },
      z
        .string()
        .default('')
        .transform((text, ctx) => {
          const ranges = partsOf(text, ',')
          if (ranges.every(isRange)) return ranges
          ctx.addIssue({ code: 'custom', message: 'must be addresses or CIDR ranges, separated by commas' })
          return z.NEVER
        }) as z.ZodType<readonly string[], string | undefined>,
    ),
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g
const PRIVATE_KEY = /-----BEGIN ([A-Z ]*PRIVATE KEY)-----[^]*?-----END \1-----/g

const succeeds = (act: () => unknown): boolean => {
  try {
    act()
    return true
  } catch {
    return false
  }
}

const areCertificates = (blocks: readonly string[]): boolean =>
  succeeds(() => blocks.map((block) => new X509Certificate(block)))

const isPrivateKey = ([block, ...more]: readonly string[]): boolean =>
  more.length === 0 && succeeds(() => createPrivateKey(block!))

/**
 * Only the blocks of that kind; a variable may hold `\\\
 * ` in place of line ends.
 */
const pem = (block: RegExp, what: string, isGood: (blocks: readonly string[]) => boolean) =>
  z
    .string()
    .optional()
    .transform((text, ctx) => {
      if (text === undefined) return undefined
      const blocks = text.replaceAll('\\n', '\n').match(block) ?? []
      if (blocks.length > 0 && isGood(blocks)) return `${blocks.join('\n')}\n`
      ctx.addIssue({ code: 'custom', message: `must be ${what}` })
      return z.NEVER
    }) as z.ZodType<string | undefined, string | undefined>

const isRange = (text: string): boolean => succeeds(() => parseCidr(text))
