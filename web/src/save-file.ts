/** Gives a person a file to keep. */
export function saveFile(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The download has begun, or will: browsers hold on to what they are saving.
  setTimeout(() => {
    URL.revokeObjectURL(url);
  }, 60_000);
}
