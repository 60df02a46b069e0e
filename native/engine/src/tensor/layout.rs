//! Strided walks: joining, splitting and reshaping axes without moving an element.

/// One axis of a walk: `len` steps of `stride` elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Number of positions.
    pub len: u64,
    /// Elements between neighbours.
    pub stride: u64,
}

/// The same walk with the fewest axes: those of length 1 dropped, neighbours joined where the outer one continues the
/// inner one. Strides are free in a walk without elements.
pub fn join(axes: &[Axis]) -> Vec<Axis> {
    let mut joined: Vec<Axis> = Vec::with_capacity(axes.len());
    for axis in axes.iter().filter(|axis| axis.len != 1) {
        match joined.last_mut() {
            Some(outer) if outer.stride == axis.len.wrapping_mul(axis.stride) => {
                *outer = Axis { len: outer.len.saturating_mul(axis.len), stride: axis.stride };
            }
            _ => joined.push(*axis),
        }
    }
    joined
}

/// The same walk with the axes of `shape`, where strides can express it. `shape` has as many elements as `axes`.
pub fn reshape(axes: &[Axis], shape: &[u64]) -> Option<Vec<Axis>> {
    if shape.contains(&0) {
        return Some(shape.iter().map(|&len| Axis { len, stride: 1 }).collect());
    }
    let mut groups = join(axes);
    // Innermost first: take each new axis out of what is left of the innermost old one.
    let mut reshaped = Vec::with_capacity(shape.len());
    for &len in shape.iter().rev() {
        if len == 1 {
            reshaped.push(Axis { len, stride: 1 });
            continue;
        }
        let group = groups.last_mut()?;
        if group.len % len != 0 {
            return None;
        }
        reshaped.push(Axis { len, stride: group.stride });
        group.len /= len;
        group.stride = group.stride.saturating_mul(len);
        if group.len == 1 {
            groups.pop();
        }
    }
    reshaped.reverse();
    Some(reshaped)
}

/// The walk as a matrix of `rows × columns` with one stride each, where that is possible.
pub fn split(axes: &[Axis], rows: u64, columns: u64) -> Option<[Axis; 2]> {
    reshape(axes, &[rows, columns])?.try_into().ok()
}
