fn main() {
    use weight_loupe_linalg::*;
    for n in std::env::args().skip(1).map(|a| a.parse::<usize>().unwrap()) {
        let mut st = 1u64;
        let a: Vec<f64> = (0..n * n).map(|_| { let mut t = 0.0; for _ in 0..4 { st = st.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407); t += (st >> 11) as f64 / (1u64<<53) as f64; } t - 2.0 }).collect();
        for th in [1, 2] {
            let t = std::time::Instant::now();
            let s = exact(a.clone(), n, n, &Control::unattended(th)).unwrap();
            println!("{n} threads {th} {:.4} s1 {} sn {}", t.elapsed().as_secs_f64(), s.values[0], s.values[n - 1]);
        }
        let f = a.clone();
        let t = std::time::Instant::now();
        let s = fast(f, n, n, &Control::unattended(2)).unwrap();
        println!("{n} f32 {:.4} s1 {} sn {}", t.elapsed().as_secs_f64(), s.values[0], s.values[n - 1]);
        let fro: f64 = a.iter().map(|x| x*x).sum::<f64>().sqrt();
        let fs: f64 = exact(a, n, n, &Control::unattended(2)).unwrap().values.iter().map(|x| x*x).sum::<f64>().sqrt();
        println!("fro rel err {:e}", (fro - fs) / fro);
    }
}
