import { crc32 } from 'node:zlib'
import { HEADER, type WireHeaders } from './wire.ts'

const CHECKSUM_BYTES = 4

/**
 * CRC-32 of a raw body, 4 bytes, which the header `body-crc32` carries from ingress to the sinks. The body hash cannot
 * replace it: it leaves out the source's volatile fields, and it needs a key that sinks do not have.
 */
export const bodyChecksumOf = (raw: Buffer): Buffer => {
  const checksum = Buffer.allocUnsafe(CHECKSUM_BYTES)
  checksum.writeUInt32BE(crc32(raw))
  return checksum
}

/** Whether the body is the one that came in. True without the header, because earlier versions wrote none. */
export const isBodyWhole = (headers: WireHeaders, raw: Buffer): boolean => {
  const checksum = headers[HEADER.bodyCrc32]
  return (
    checksum === undefined || (checksum.length === CHECKSUM_BYTES && checksum.readUInt32BE() === crc32(raw))
  )
}
