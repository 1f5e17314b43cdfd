import { CodedError } from '../../common/errors.ts'

/** An uploaded picture, as far as it is known without decoding it. */
export interface PictureFile {
  readonly type: 'png' | 'jpeg'
  /** Pixels as they are stored, before `orientation`. */
  readonly width: number
  readonly height: number
  /** How the picture is to be turned: 1 to 8 as EXIF 2.32 section 4.6.4 has it; 1 is upright. */
  readonly orientation: number
  /** The file with nothing but the picture: no metadata, no other picture, and nothing behind its end. */
  readonly bytes: Buffer
}

/** @param why about the picture @param detail what would be right */
export function unusable(why: string, detail: string): CodedError {
  return new CodedError('slate_invalid', `the picture cannot be used: ${why}`, { details: [detail] })
}
