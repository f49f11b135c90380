/** A plot of a run. */
export interface Plot {
  /** Name of its file. */
  readonly file: string;
  readonly title: string;
  /** Many panels, for the whole width of a page. */
  readonly broad?: boolean;
  /** The SVG file, of any width in pixels. */
  readonly draw: (width: number) => string;
}
