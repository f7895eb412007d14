//! Bits, most significant first, and FLAC's checksums (RFC 9639 9.1.8, 9.3).

/// Writes numbers of any width.
#[derive(Debug, Default)]
pub struct BitWriter {
    octets: Vec<u8>,
    /// Bits that do not make an octet yet, in the low end.
    held: u64,
    held_bits: u32,
}

impl BitWriter {
    /// The low `width` bits of a number, 0 to 32.
    pub fn put(&mut self, width: u32, value: u32) {
        if width == 0 {
            return;
        }
        self.held = (self.held << width) | u64::from(value) & ((1 << width) - 1);
        self.held_bits += width;
        while self.held_bits >= 8 {
            self.held_bits -= 8;
            self.octets.push((self.held >> self.held_bits) as u8);
        }
    }

    /// A number in two's complement.
    pub fn put_signed(&mut self, width: u32, value: i32) {
        self.put(width, value as u32);
    }

    /// So many zeros, and a one.
    pub fn put_unary(&mut self, mut zeros: u32) {
        while zeros >= 32 {
            self.put(32, 0);
            zeros -= 32;
        }
        self.put(zeros, 0);
        self.put(1, 1);
    }

    /// Zeros to the end of the octet.
    pub fn align(&mut self) {
        if self.held_bits > 0 {
            self.put(8 - self.held_bits, 0);
        }
    }

    /// The whole octets so far.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// All of it.
    pub fn finish(mut self) -> Vec<u8> {
        self.align();
        self.octets
    }
}

/// CRC-8 with polynomial x^8 + x^2 + x + 1.
pub fn crc8(octets: &[u8]) -> u8 {
    octets.iter().fold(0, |crc, &octet| {
        (0..8).fold(crc ^ octet, |crc, _| {
            if crc & 0x80 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x07
            }
        })
    })
}

/// CRC-16 with polynomial x^16 + x^15 + x^2 + 1.
pub fn crc16(octets: &[u8]) -> u16 {
    const TABLE: [u16; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let mut value = (index as u16) << 8;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 0x8000 == 0 {
                    value << 1
                } else {
                    (value << 1) ^ 0x8005
                };
                bit += 1;
            }
            table[index] = value;
            index += 1;
        }
        table
    };
    octets.iter().fold(0, |crc, &octet| {
        (crc << 8) ^ TABLE[usize::from((crc >> 8) as u8 ^ octet)]
    })
}
