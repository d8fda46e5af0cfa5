import type { SignatureEncoding } from './spec.ts'

const ALPHABETS = {
  hex: /^[0-9a-fA-F]*$/,
  base64: /^[A-Za-z0-9+/]*={0,2}$/,
  base64url: /^[A-Za-z0-9_-]*$/,
} as const satisfies Record<SignatureEncoding, RegExp>

/**
 * The decoded bytes, or undefined. `Buffer.from` skips characters outside the alphabet and would accept a valid
 * signature with anything after it. Base64 must be canonical: base64 with padding, base64url without it, and no spare
 * bits set.
 */
export const decodeStrict = (text: string, encoding: SignatureEncoding): Buffer | undefined => {
  if (!ALPHABETS[encoding].test(text)) return undefined
  const bytes = Buffer.from(text, encoding)
  if (encoding === 'hex') return text.length === 2 * bytes.length ? bytes : undefined
  return bytes.toString(encoding) === text ? bytes : undefined
}
